package wire

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"testbed/topo/netns"
)

// The kernel stamps frames when they arrive only while some socket wants it, and
// switches that on in the background (net_enable_timestamp, net/core/dev.c).
// Until then a frame gets the time at which it is read. stamps is a socket that
// keeps it switched on, in a namespace of its own.
type stamps struct{ fd int }

// stampPatience is how long to wait for the kernel to switch stamps on. Without
// them the wire works, less exactly.
const stampPatience = 100 * time.Millisecond

// switchOn returns when the kernel stamps all frames of this machine.
func switchOn() (*stamps, error) {
	ns, err := netns.New()
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	s := &stamps{fd: -1}
	err = ns.Do(func() (err error) {
		s.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("open socket: %w", err)
		}
		return s.wait()
	})
	if err != nil {
		s.close()
		return nil, fmt.Errorf("switch kernel stamps on: %w", err)
	}
	return s, nil
}

func (s *stamps) wait() error {
	if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS_NEW, 1); err != nil {
		return err
	}
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_LOOPBACK)
	if err := unix.IoctlIfreq(s.fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	if err := unix.Bind(s.fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	self, err := unix.Getsockname(s.fd)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(stampPatience); time.Now().Before(deadline); time.Sleep(50 * time.Microsecond) {
		if live, err := s.probe(self); live || err != nil {
			return err
		}
	}
	return nil
}

// probe sends a datagram to itself and tells whether it was stamped before it
// was read.
func (s *stamps) probe(self unix.Sockaddr) (bool, error) {
	if err := unix.Sendto(s.fd, []byte{0}, 0, self); err != nil {
		return false, err
	}
	sent := time.Now().UnixNano()
	control := make([]byte, controlLen)
	_, n, _, _, err := unix.Recvmsg(s.fd, nil, control, 0)
	if err == unix.EAGAIN {
		return false, nil
	}
	stamp := ancillary(control[:n]).stamp
	return stamp > 0 && stamp < sent, err
}

func (s *stamps) close() {
	if s != nil && s.fd >= 0 {
		unix.Close(s.fd)
	}
}
