package raw

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"testbed/topo/netns"
	"testbed/topo/sandbox"
)

// Sender sends IP packets as they are, with whatever source address. It is not
// safe for concurrent use.
type Sender struct{ fd int }

// NewSender opens a socket for packets of one family in a namespace. The caller
// closes it.
func NewSender(ns *netns.NS, v4 bool) (*Sender, error) {
	s := &Sender{fd: -1}
	err := ns.Do(func() (err error) {
		s.fd, err = Socket(v4, unix.IPPROTO_RAW)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Socket opens a non-blocking raw socket of one family in the calling thread's
// namespace. Where the kernel lets nobody have one, the error is a
// *sandbox.Unavailable.
func Socket(v4 bool, protocol int) (int, error) {
	domain := unix.AF_INET6
	if v4 {
		domain = unix.AF_INET
	}
	fd, err := unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return -1, &sandbox.Unavailable{Missing: "raw sockets (CAP_NET_RAW in the node's namespace)", Err: err,
			Remedy: "Run as root, or allow user namespaces and raw sockets in them (a security module or seccomp filter forbids it)."}
	}
	if err != nil {
		return -1, fmt.Errorf("open raw socket: %w", err)
	}
	return fd, nil
}

// Send sends a packet to where it says it goes. The error is the kernel's: EPERM
// where the node's own firewall dropped it, ENETUNREACH without a route.
func (s *Sender) Send(packet []byte, to netip.Addr) error {
	var sa unix.Sockaddr = &unix.SockaddrInet6{Addr: to.As16()}
	if to.Is4() {
		sa = &unix.SockaddrInet4{Addr: to.As4()}
	}
	for {
		err := unix.Sendto(s.fd, packet, 0, sa)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// Close releases the socket.
func (s *Sender) Close() error { return unix.Close(s.fd) }
