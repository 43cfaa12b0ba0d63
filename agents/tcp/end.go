package tcp

import (
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// After waits, and then serves as h does: what arrives meanwhile stays unread, a
// FIN too. It serves at once if d is zero.
func After(d time.Duration, h Handler) Handler {
	if d == 0 {
		return h
	}
	return func(c *net.TCPConn) {
		if leave(c, d) {
			h(c)
		}
	}
}

// Unread never reads. After d it ends the connection, which sends RST if data has
// arrived (RFC 2525, section 2.17) and FIN otherwise; zero waits for ever.
func Unread(d time.Duration) Handler {
	return func(c *net.TCPConn) { leave(c, d) }
}

// leave lets a connection be for so long, zero for ever, and tells whether it is
// still there.
func leave(c *net.TCPConn, d time.Duration) bool {
	if d > 0 {
		c.SetReadDeadline(time.Now().Add(d))
		defer c.SetReadDeadline(time.Time{})
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	err = raw.Read(func(uintptr) bool { return false }) // until the deadline, or it is closed
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// Collect reads until the client has closed its side, sends all of it back and
// closes. It gives up what is longer than MaxAnswer.
func Collect(c *net.TCPConn) {
	all, err := io.ReadAll(io.LimitReader(c, MaxAnswer+1))
	if err == nil && len(all) <= MaxAnswer {
		c.Write(all)
	}
}
