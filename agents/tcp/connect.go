// Package tcp connects, exchanges and serves over real kernel TCP sockets that
// are opened in a node's namespace. MPTCP is never used.
package tcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"testbed/agents"
	"testbed/topo/netns"
)

// Attempt is a connection attempt that ended.
type Attempt struct {
	Outcome agents.Outcome
	// Errno is what connect(2) ended with, 0 for success and for the attempt's
	// own deadline.
	Errno unix.Errno
	// Deadline is true when the attempt's own timeout ended it.
	Deadline bool
	// Began is just before connect(2), Elapsed until it had its outcome.
	Began   time.Time
	Elapsed time.Duration
	// Local is invalid when the kernel chose no source before it failed.
	Local, Remote netip.AddrPort
	// Conn is nil unless Outcome is Connected. The caller closes it.
	Conn *net.TCPConn
}

// Options of Connect.
type Options struct {
	// Timeout ends the attempt; zero leaves its end to the kernel.
	Timeout time.Duration
	// Port is the client's own; zero lets the kernel choose.
	Port uint16
	// UserTimeout is how long the kernel goes on with what is not acknowledged, in
	// whole milliseconds (TCP_USER_TIMEOUT, tcp(7)); zero leaves it to its retries.
	UserTimeout time.Duration
	// KeepAlive, if enabled, has an idle connection probed.
	KeepAlive net.KeepAliveConfig
	// FastOpen, if there is any, is sent with the SYN where the kernel has a cookie of
	// the server's, and else once the connection is established. At most MaxFastOpen
	// bytes.
	FastOpen []byte
	// OnStart, if not nil, is told the local address while the attempt is under
	// way.
	OnStart func(local netip.AddrPort)
}

// Connect opens a socket in the namespace and connects it. The error is the
// testbed's own or the context's; how the attempt ended is in the Attempt.
func Connect(ctx context.Context, ns *netns.NS, to netip.AddrPort, o Options) (*Attempt, error) {
	a := &Attempt{Remote: to}
	w, err := newWaiter(ctx)
	if err != nil {
		return nil, err
	}
	defer w.close()
	fd := -1
	err = ns.Do(func() (err error) {
		if fd, err = socket(to.Addr()); err != nil {
			return err
		}
		if err := setUserTimeout(fd, o.UserTimeout); err != nil {
			return err
		}
		a.Began = time.Now()
		if err := w.limit(o.Timeout); err != nil {
			return err
		}
		errno, rest := bindPort(fd, to.Addr(), o.Port), o.FastOpen
		if errno == 0 {
			rest, errno = open(fd, to, o.FastOpen)
		}
		if errno == unix.EINPROGRESS {
			a.Local = localAddr(fd)
			if o.OnStart != nil {
				o.OnStart(a.Local)
			}
			errno, a.Deadline, err = await(fd, w)
		}
		a.Elapsed = time.Since(a.Began)
		if a.Errno = errno; err == nil && errno == 0 && !a.Deadline {
			err = writeRest(fd, rest)
		}
		return err
	})
	if err != nil {
		if fd >= 0 {
			unix.Close(fd)
		}
		return nil, err
	}
	return a, a.settle(fd, o.KeepAlive)
}

// settle judges the attempt and keeps or closes its socket.
func (a *Attempt) settle(fd int, probes net.KeepAliveConfig) error {
	a.Outcome = OutcomeOf(a.Errno)
	if a.Deadline {
		a.Outcome = agents.TimedOut
	}
	if a.Outcome != agents.Connected {
		return unix.Close(fd)
	}
	a.Local = localAddr(fd)
	f := os.NewFile(uintptr(fd), "tcp")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return fmt.Errorf("keep connection: %w", err)
	}
	a.Conn = c.(*net.TCPConn)
	if !probes.Enable {
		return quiet(a.Conn)
	}
	if err := a.Conn.SetKeepAliveConfig(probes); err != nil {
		return fmt.Errorf("switch keep-alive on: %w", err)
	}
	return nil
}

// quiet switches off the keep-alive probes that package net switches on: an idle
// connection sends nothing, as the kernel's default has it.
func quiet(c *net.TCPConn) error {
	if err := c.SetKeepAlive(false); err != nil {
		return fmt.Errorf("switch keep-alive off: %w", err)
	}
	return nil
}

// OutcomeOf is the outcome that an errno of connect(2) stands for; 0 is
// Connected.
func OutcomeOf(errno unix.Errno) agents.Outcome {
	switch errno {
	case 0:
		return agents.Connected
	case unix.ECONNREFUSED:
		return agents.Refused
	case unix.ETIMEDOUT:
		return agents.TimedOut
	case unix.EHOSTUNREACH:
		return agents.HostUnreachable
	case unix.ENETUNREACH:
		return agents.NetworkUnreachable
	case unix.ECONNRESET:
		return agents.Reset
	case unix.EACCES, unix.EPERM:
		return agents.Denied
	}
	return agents.Failed
}

// socket opens a non-blocking TCP socket of an address's family.
func socket(a netip.Addr) (int, error) {
	domain := unix.AF_INET6
	if a.Is4() {
		domain = unix.AF_INET
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_TCP)
	if err != nil {
		return -1, fmt.Errorf("open TCP socket: %w", err)
	}
	return fd, nil
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func setUserTimeout(fd int, d time.Duration) error {
	if d == 0 {
		return nil
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds())); err != nil {
		return fmt.Errorf("set TCP_USER_TIMEOUT: %w", err)
	}
	return nil
}

// bindPort gives a socket its own port; 0 leaves that to connect(2).
func bindPort(fd int, family netip.Addr, port uint16) unix.Errno {
	if port == 0 {
		return 0
	}
	from := netip.IPv4Unspecified()
	if family.Is6() {
		from = netip.IPv6Unspecified()
	}
	return errnoOf(unix.Bind(fd, sockaddr(netip.AddrPortFrom(from, port))))
}

func connect(fd int, to netip.AddrPort) unix.Errno {
	return errnoOf(unix.Connect(fd, sockaddr(to)))
}

// errnoOf is the errno in an error, or 0.
func errnoOf(err error) unix.Errno {
	var e unix.Errno
	errors.As(err, &e)
	return e
}

// localAddr is a socket's own address, invalid if it has none yet.
func localAddr(fd int) netip.AddrPort {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// await waits until a connecting socket has its outcome, the time has passed or
// the attempt is cancelled.
func await(fd int, w *waiter) (errno unix.Errno, deadline bool, err error) {
	for {
		_, expired, err := w.wait(fd, unix.POLLOUT)
		if err != nil || expired {
			return 0, expired, err
		}
		e, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if e == 0 && err == nil && !hasPeer(fd) {
			continue
		}
		return unix.Errno(e), false, err
	}
}

// hasPeer tells whether a socket without an error is connected. It is neither for
// a moment when an ICMP error arrives: the error is queued, which ends ppoll(2),
// before the socket's own error is set (net/ipv4/tcp_ipv4.c, tcp_v4_err).
func hasPeer(fd int) bool {
	_, err := unix.Getpeername(fd)
	return err == nil
}
