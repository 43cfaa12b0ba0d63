package tcp

import (
	"context"
	"errors"
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
	cancel, err := newCanceller(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel.close()
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("wait for the connection's end: %w", err)
	}
	e, began := &Ended{}, time.Now()
	var waited error
	if err := raw.Control(func(fd uintptr) { waited = e.wait(int(fd), cancel, began, timeout) }); err != nil {
		return nil, fmt.Errorf("wait for the connection's end: %w", err)
	}
	e.Elapsed = time.Since(began)
	return e, waited
}

// wait polls for what ends a connection.
func (e *Ended) wait(fd int, c *canceller, began time.Time, timeout time.Duration) error {
	for {
		rest := timeout - time.Since(began)
		if rest <= 0 {
			e.Outcome, e.Deadline = agents.TimedOut, true
			return nil
		}
		left := unix.NsecToTimespec(int64(rest))
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}, {Fd: int32(c.fd), Events: unix.POLLIN}}
		_, err := unix.Ppoll(fds, &left, nil)
		switch {
		case err != nil && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("wait for the connection's end: %w", err)
		case fds[1].Revents != 0:
			return c.ctx.Err()
		case fds[0].Revents == 0:
			continue
		}
		errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		switch e.Errno = unix.Errno(errno); {
		case err != nil:
			return fmt.Errorf("read the connection's error: %w", err)
		case errno != 0:
			e.Outcome = OutcomeOf(e.Errno)
			return nil
		case fds[0].Revents&(unix.POLLRDHUP|unix.POLLHUP) != 0:
			e.Outcome = agents.Closed
			return nil
		}
	}
}
