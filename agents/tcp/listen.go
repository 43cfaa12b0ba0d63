package tcp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"testbed/topo/netns"
)

// acceptPause is how long accept rests when there are no descriptors left.
const acceptPause = 10 * time.Millisecond

// Handler serves one connection. It returns when it is done; the listener closes
// the connection then.
type Handler func(*net.TCPConn)

// Listener accepts connections on a port of every address of a namespace, IPv4
// and IPv6 apart.
type Listener struct {
	sockets []*net.TCPListener
	// idle are sockets that listen but never accept.
	idle []int

	mu     sync.Mutex
	open   map[*net.TCPConn]bool
	closed bool
	work   sync.WaitGroup
}

// Listen opens the sockets. With a nil handler nothing is ever accepted. backlog
// is listen(2)'s: a queue of that many and one more.
func Listen(ns *netns.NS, port uint16, backlog int, h Handler) (*Listener, error) {
	l := &Listener{open: map[*net.TCPConn]bool{}}
	err := ns.Do(func() error {
		for _, a := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
			if err := l.bind(netip.AddrPortFrom(a, port), backlog, h != nil); err != nil {
				return fmt.Errorf("listen on %s: %w", netip.AddrPortFrom(a, port), err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	for _, s := range l.sockets {
		l.work.Go(func() { l.accept(s, h) })
	}
	return l, nil
}

// bind opens one listening socket in the calling thread's namespace.
func (l *Listener) bind(at netip.AddrPort, backlog int, accepts bool) error {
	fd, err := socket(at.Addr())
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(fd), "listener")
	defer file.Close()
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if at.Addr().Is6() {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return err
		}
	}
	if err := unix.Bind(fd, sockaddr(at)); err != nil {
		return err
	}
	if err := unix.Listen(fd, backlog); err != nil {
		return err
	}
	if !accepts {
		idle, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		l.idle = append(l.idle, idle)
		return err
	}
	s, err := net.FileListener(file)
	if err != nil {
		return err
	}
	l.sockets = append(l.sockets, s.(*net.TCPListener))
	return nil
}

// accept hands each connection to a goroutine of its own.
func (l *Listener) accept(s *net.TCPListener, h Handler) {
	for {
		c, err := s.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// The connection went away before it was accepted, or descriptors have
			// run out, which takes time to mend.
			if errno := errnoOf(err); errno == unix.EMFILE || errno == unix.ENFILE {
				time.Sleep(acceptPause)
			}
			continue
		}
		if quiet(c) != nil { // it is gone already
			c.Close()
			continue
		}
		if !l.keep(c) {
			c.Close()
			return
		}
		l.work.Go(func() {
			defer l.drop(c)
			h(c)
		})
	}
}

func (l *Listener) keep(c *net.TCPConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.open[c] = true
	}
	return !l.closed
}

func (l *Listener) drop(c *net.TCPConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
	c.Close()
}

// Close stops listening, closes every connection and waits for their handlers. A
// connection that was waiting to be accepted is closed as one that was: the kernel
// would reset it, which of the two would be a matter of microseconds. Where nothing is
// ever accepted, it does reset them.
func (l *Listener) Close() error {
	l.mu.Lock()
	l.closed = true
	for c := range l.open {
		c.Close()
	}
	l.mu.Unlock()
	var errs []error
	for _, s := range l.sockets {
		errs = append(errs, closeWaiting(s), s.Close())
	}
	for _, fd := range l.idle {
		errs = append(errs, unix.Close(fd))
	}
	l.idle = nil
	l.work.Wait()
	return errors.Join(errs...)
}

// closeWaiting closes the connections that wait to be accepted.
func closeWaiting(s *net.TCPListener) error {
	const most = 1 << 16 // net.core.somaxconn's width: who keeps connecting can't keep it here
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) {
		for range most {
			c, _, err := unix.Accept4(int(fd), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
			switch {
			case err == nil:
				unix.Close(c)
			case !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.ECONNABORTED):
				return
			}
		}
	})
}
