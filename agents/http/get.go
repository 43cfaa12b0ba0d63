package http

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"testbed/agents"
	"testbed/agents/tcp"
	"testbed/topo/netns"
)

// maxBody bounds how much of an answer's body is read, in bytes.
const maxBody = 16 << 20

// bodyCut is the Detail of an answer whose body is longer than that.
var bodyCut = fmt.Sprintf("the body is longer than %d MiB; what is beyond was not read", maxBody>>20)

// Request is one GET request on a connection of its own.
type Request struct {
	NS  *netns.NS
	To  netip.AddrPort
	URL string
	// TLS is nil for plain HTTP.
	TLS *tls.Config
	// Timeout for the whole of it; must be positive.
	Timeout time.Duration
	// OnStart is told the local address while the connection is attempted.
	OnStart func(local netip.AddrPort)
	// Began is what GetOn reckons times from; zero stands for when its connection
	// was attempted.
	Began time.Time
}

// Response is how a request ended. Times are from the beginning of the step, and
// nil where it did not get so far.
type Response struct {
	// Attempt is the TCP connection's. Its Conn, if any, is still open, so that
	// what is observed of the request does not include its end. The caller
	// closes it.
	Attempt *tcp.Attempt
	// Outcome is Connected for a complete answer, or one whose first 16 MiB were
	// read (see Detail); otherwise what cut it short. An answer whose header is
	// longer than 1 MiB has Failed.
	Outcome agents.Outcome
	Errno   unix.Errno
	// Deadline is true when Request.Timeout ended it.
	Deadline               bool
	TLSTime, FirstByteTime *time.Duration
	Elapsed                time.Duration
	// TLS is what the TLS handshake agreed on; nil where it did not come so far.
	TLS *tls.ConnectionState
	// Status is 0 without an answer.
	Status int
	// Detail is the error of TLS or HTTP in words, or says that only the beginning
	// of the body was read.
	Detail string
}

// Get performs a request. The error is the testbed's own or the context's.
func Get(ctx context.Context, r Request) (*Response, error) {
	a, err := tcp.Connect(ctx, r.NS, r.To, tcp.Options{Timeout: r.Timeout, OnStart: r.OnStart})
	if err != nil {
		return nil, err
	}
	return GetOn(ctx, a, r)
}

// GetOn performs a request on a connection that was attempted before. The error is
// the testbed's own or the context's.
func GetOn(ctx context.Context, a *tcp.Attempt, r Request) (*Response, error) {
	res := &Response{Attempt: a, Outcome: a.Outcome, Errno: a.Errno, Deadline: a.Deadline, Elapsed: a.Elapsed}
	if r.Began.IsZero() {
		r.Began = a.Began
	}
	if a.Conn == nil {
		return res, nil
	}
	stop := context.AfterFunc(ctx, func() { a.Conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	a.Conn.SetDeadline(r.Began.Add(r.Timeout))
	err := res.exchange(a, r)
	res.Elapsed = time.Since(r.Began)
	if err != nil {
		res.fail(err)
	}
	if err := ctx.Err(); err != nil {
		a.Conn.Close()
		return nil, err
	}
	return res, nil
}

// exchange does the TLS handshake, sends the request and reads the answer.
func (res *Response) exchange(a *tcp.Attempt, r Request) error {
	var c net.Conn = a.Conn
	if r.TLS != nil {
		t := tls.Client(a.Conn, r.TLS)
		if err := t.Handshake(); err != nil {
			return err
		}
		res.TLSTime = since(r.Began)
		state := t.ConnectionState()
		res.TLS = &state
		c = t
	}
	req, err := http.NewRequest(http.MethodGet, r.URL, nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "testbed")
	if err := req.Write(c); err != nil {
		return err
	}
	in := newReader(c)
	if _, err := in.Peek(1); err != nil {
		return err
	}
	res.FirstByteTime = since(r.Began)
	answer, err := http.ReadResponse(in.Reader, req)
	if err != nil {
		return err
	}
	in.body()
	defer answer.Body.Close()
	res.Status = answer.StatusCode
	n, err := io.Copy(io.Discard, io.LimitReader(answer.Body, maxBody+1))
	if n > maxBody {
		res.Detail = bodyCut
	}
	return err
}

// fail records what cut an answer short.
func (res *Response) fail(err error) {
	res.Detail = err.Error()
	errors.As(err, &res.Errno)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		res.Outcome, res.Deadline = agents.TimedOut, true
	case res.Errno == unix.ETIMEDOUT:
		res.Outcome = agents.TimedOut
	case res.Errno == unix.ECONNRESET, res.Errno == unix.EPIPE:
		res.Outcome = agents.Reset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		res.Outcome = agents.Closed
	default:
		res.Outcome = agents.Failed
	}
}

func since(t time.Time) *time.Duration {
	d := time.Since(t)
	return &d
}
