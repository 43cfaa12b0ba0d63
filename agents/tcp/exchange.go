package tcp

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"testbed/agents"
)

// MaxAnswer bounds what Exchange reads, in bytes.
const MaxAnswer = 1 << 20

var errTooLong = errors.New("the answer is too long")

// Exchanged is an exchange that ended.
type Exchanged struct {
	Outcome agents.Outcome
	// Errno is 0 unless a system call failed.
	Errno unix.Errno
	// Deadline is true when the exchange's own timeout ended it.
	Deadline bool
	Elapsed  time.Duration
	// FirstByte is when the first byte of the answer was read, nil for none.
	FirstByte *time.Duration
	Answer    []byte
}

// Exchange writes, if there is something to send, and reads until complete says that what was read is the whole
// answer. An answer of over MaxAnswer bytes that is not complete is Failed.
// timeout must be positive.
func Exchange(c *net.TCPConn, send []byte, complete func(answer []byte) bool, timeout time.Duration) *Exchanged {
	began := time.Now()
	x := &Exchanged{}
	c.SetDeadline(began.Add(timeout))
	defer c.SetDeadline(time.Time{})
	var err error
	if len(send) > 0 {
		_, err = c.Write(send)
	}
	buf := make([]byte, 64<<10)
	for err == nil && !complete(x.Answer) {
		var n int
		n, err = c.Read(buf)
		if n > 0 && x.FirstByte == nil {
			at := time.Since(began)
			x.FirstByte = &at
		}
		if x.Answer = append(x.Answer, buf[:n]...); len(x.Answer) > MaxAnswer && err == nil {
			err = errTooLong
		}
	}
	x.Elapsed = time.Since(began)
	x.Outcome, x.Errno, x.Deadline = endOf(err)
	return x
}

// endOf is what an error of read or write means for an exchange; nil means that
// the answer is complete.
func endOf(err error) (o agents.Outcome, errno unix.Errno, deadline bool) {
	errno = errnoOf(err)
	switch {
	case err == nil:
		return agents.Answered, 0, false
	case errors.Is(err, io.EOF):
		return agents.Closed, 0, false
	case errors.Is(err, os.ErrDeadlineExceeded):
		return agents.TimedOut, 0, true
	case errno == unix.ETIMEDOUT:
		return agents.TimedOut, errno, false
	case errno == unix.ECONNRESET, errno == unix.EPIPE:
		return agents.Reset, errno, false
	}
	return agents.Failed, errno, false
}
