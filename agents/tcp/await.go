package tcp

import (
	"context"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"testbed/agents"
)

// Ended is how a connection ended, or that it did not.
type Ended struct {
	// Outcome is Closed once the other end's FIN has arrived.
	Outcome agents.Outcome
	// Errno is the socket's error, 0 for a FIN and for the wait's own deadline.
	Errno unix.Errno
	// Deadline is true when the wait's own timeout ended it.
	Deadline bool
	Elapsed  time.Duration
}

// Await waits until a connection ends: the other end closes or resets it, or the
// kernel gives it up. It neither sends nor reads; what arrives is left for a later
// Exchange. timeout must be positive. The error is the testbed's own or the
// context's.
func Await(ctx context.Context, c *net.TCPConn, timeout time.Duration) (*Ended, error) {
	w, err := newWaiter(ctx)
	if err != nil {
		return nil, err
	}
	defer w.close()
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("wait for the connection's end: %w", err)
	}
	e, began := &Ended{}, time.Now()
	var waited error
	control := raw.Control(func(fd uintptr) {
		if waited = w.limit(timeout); waited == nil {
			waited = e.wait(int(fd), w)
		}
	})
	e.Elapsed = time.Since(began)
	if control != nil {
		return nil, fmt.Errorf("wait for the connection's end: %w", control)
	}
	return e, waited
}

// wait waits for what ends a connection.
func (e *Ended) wait(fd int, w *waiter) error {
	for {
		has, expired, err := w.wait(fd, unix.POLLRDHUP)
		if expired {
			e.Outcome, e.Deadline = agents.TimedOut, true
		}
		if err != nil || expired {
			return err
		}
		errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		switch e.Errno = unix.Errno(errno); {
		case err != nil:
			return fmt.Errorf("read the connection's error: %w", err)
		case errno != 0:
			e.Outcome = OutcomeOf(e.Errno)
			return nil
		case has&(unix.POLLRDHUP|unix.POLLHUP) != 0:
			e.Outcome = agents.Closed
			return nil
		}
	}
}
