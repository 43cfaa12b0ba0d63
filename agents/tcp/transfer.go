package tcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"testbed/agents"
)

// chunk is how much is written or read at once, in bytes.
const chunk = 64 << 10

// Transferred is a transfer of many bytes that ended.
type Transferred struct {
	// Outcome is agents.Transferred once all bytes are across.
	Outcome agents.Outcome
	// Errno is 0 unless a system call failed.
	Errno unix.Errno
	// Deadline is true when the transfer's own timeout ended it.
	Deadline bool
	// Bytes are those that the other end has acknowledged, or that were read.
	Bytes   int64
	Elapsed time.Duration
}

// Send writes n bytes and waits until the other end's kernel has acknowledged them
// all. timeout must be positive. The error is the testbed's own or the context's.
func Send(ctx context.Context, c *net.TCPConn, n int64, timeout time.Duration) (*Transferred, error) {
	t, began := &Transferred{}, time.Now()
	end := begin(ctx, c, timeout)
	defer end()
	block := make([]byte, chunk)
	var written int64
	var err error
	for written < n && err == nil {
		var k int
		k, err = c.Write(block[:min(int64(chunk), n-written)])
		written += int64(k)
	}
	left, failed := unacknowledged(c)
	if failed == nil && err == nil && left > 0 {
		left, err, failed = t.drain(ctx, c, timeout-time.Since(began))
	}
	t.Elapsed, t.Bytes = time.Since(began), max(0, written-int64(left))
	if failed != nil {
		return nil, failed
	}
	t.end(err)
	return t, ctx.Err()
}

// Receive asks a source for n bytes and reads them. timeout must be positive. The
// error is the context's.
func Receive(ctx context.Context, c *net.TCPConn, n int64, timeout time.Duration) (*Transferred, error) {
	t, began := &Transferred{}, time.Now()
	end := begin(ctx, c, timeout)
	defer end()
	_, err := fmt.Fprintf(c, "%d\n", n)
	for block := make([]byte, chunk); t.Bytes < n && err == nil; {
		var k int
		k, err = c.Read(block[:min(int64(chunk), n-t.Bytes)])
		t.Bytes += int64(k)
	}
	if t.Bytes == n {
		err = nil
	}
	t.Elapsed = time.Since(began)
	t.end(err)
	return t, ctx.Err()
}

// begin sets a transfer's deadline, and has the context's end interrupt it.
func begin(ctx context.Context, c *net.TCPConn, timeout time.Duration) (end func()) {
	c.SetDeadline(time.Now().Add(timeout))
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	return func() {
		stop()
		c.SetDeadline(time.Time{})
	}
}

// end records what an error means for a transfer; nil means that it is complete.
func (t *Transferred) end(err error) {
	if err == nil {
		t.Outcome = agents.Transferred
		return
	}
	var errno unix.Errno
	errors.As(err, &errno)
	switch t.Errno = errno; {
	case errors.Is(err, io.EOF):
		t.Outcome = agents.Closed
	case errors.Is(err, os.ErrDeadlineExceeded):
		t.Outcome, t.Deadline = agents.TimedOut, true
	case errno == unix.EPIPE:
		t.Outcome = agents.Reset
	default:
		t.Outcome = OutcomeOf(errno)
	}
}

// The least and most time between two looks at what is not acknowledged yet.
const (
	leastLook = time.Millisecond
	mostLook  = 10 * time.Millisecond
)

// drain waits until everything that was written is acknowledged, and returns how
// much is not. err is how the connection ended before that, failed the testbed's own
// error or the context's.
func (t *Transferred) drain(ctx context.Context, c *net.TCPConn, most time.Duration) (left int, err, failed error) {
	w, failed := newWaiter(ctx)
	if failed != nil {
		return 0, nil, failed
	}
	defer w.close()
	info, failed := ReadInfo(c)
	if failed != nil {
		return 0, nil, failed
	}
	look := min(max(info.RTT/8, leastLook), mostLook)
	for until := time.Now().Add(most); ; {
		var errno unix.Errno
		if left, errno, failed = pause(c, w, look); failed != nil || left == 0 && errno == 0 {
			return left, nil, failed
		}
		switch {
		case errno != 0:
			return left, errno, nil
		case !time.Now().Before(until):
			return left, os.ErrDeadlineExceeded, nil
		}
	}
}

// pause waits for a connection's error, a short time at most, and tells how much is
// not acknowledged then.
func pause(c *net.TCPConn, w *waiter, d time.Duration) (left int, errno unix.Errno, failed error) {
	raw, failed := c.SyscallConn()
	if failed != nil {
		return 0, 0, fmt.Errorf("wait for acknowledgements: %w", failed)
	}
	control := raw.Control(func(fd uintptr) {
		if failed = w.limit(d); failed != nil {
			return
		}
		if _, _, failed = w.wait(int(fd), 0); failed != nil {
			return
		}
		var e int
		if e, failed = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR); failed != nil {
			return
		}
		errno = unix.Errno(e)
		left, failed = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
	})
	return left, errno, errors.Join(control, failed)
}

// unacknowledged is how many bytes were written and not acknowledged (SIOCOUTQ in
// tcp(7)).
func unacknowledged(c *net.TCPConn) (left int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("count what is not acknowledged: %w", err)
	}
	control := raw.Control(func(fd uintptr) { left, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	if err := errors.Join(control, err); err != nil {
		return 0, fmt.Errorf("count what is not acknowledged: %w", err)
	}
	return left, nil
}
