package http

import (
	"bufio"
	"errors"
	"io"
)

// maxHeader bounds the first line and the header of a message, in bytes: the
// other end may send one that never ends, and all of it is kept in memory.
const maxHeader = 1 << 20

var errHeaderTooLong = errors.New("the header is longer than 1 MiB")

// reader reads messages from a connection, and bounds how much of it their
// headers may take. It begins with a header.
type reader struct {
	*bufio.Reader
	limit *headerLimit
}

func newReader(c io.Reader) *reader {
	l := &headerLimit{from: c, left: maxHeader}
	return &reader{Reader: bufio.NewReader(l), limit: l}
}

// header says that a header comes next.
func (r *reader) header() { r.limit.left, r.limit.free = maxHeader, false }

// body says that a body comes next, which is not bounded: it is never kept.
func (r *reader) body() { r.limit.free = true }

// headerLimit fails when more is read than is left, unless it is free to.
type headerLimit struct {
	from io.Reader
	left int
	free bool
}

func (l *headerLimit) Read(p []byte) (int, error) {
	if l.free {
		return l.from.Read(p)
	}
	if l.left == 0 {
		return 0, errHeaderTooLong
	}
	n, err := l.from.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}
