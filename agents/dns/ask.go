package dns

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"testbed/agents/alarm"
	"testbed/agents/tcp"
	"testbed/topo"
	"testbed/topo/netns"
)

// Stub asks resolvers as the C library does (resolv.conf(5)).
type Stub struct {
	NS *netns.NS
	// Servers are asked in order, each Attempts times in all. How long each has to
	// answer follows from Timeout as in glibc (resolv/res_send.c): the first that
	// long, the n-th of several 2ⁿ⁻¹ times that, divided by their number.
	Servers  []netip.Addr
	Timeout  time.Duration
	Attempts int
	// OnAsked, if not nil, is called when the first question has been sent, or could
	// not be.
	OnAsked func()
}

// Query is one question to one server.
type Query struct {
	Type   topo.RecordType
	Server netip.Addr
	// Local is the client's end; invalid if the question could not be sent.
	Local netip.AddrPort
	// TCP is true of the question asked again because the answer was truncated.
	TCP     bool
	Asked   time.Time
	Elapsed time.Duration
	// Reply is the response code, such as NXDOMAIN, the errno's name of what ended
	// the wait, "timed-out", or "abandoned" when the answer was not needed any more.
	Reply     string
	Addresses []netip.Addr
}

// The replies that are no response code.
const (
	TimedOut  = "timed-out"
	Abandoned = "abandoned"
	truncated = "truncated"
)

// Answer is what became of a question.
type Answer struct {
	Type      topo.RecordType
	Addresses []netip.Addr
	// Missing says that the name does not exist, Failed that no server gave an
	// answer of use.
	Missing, Failed bool
	// Queries are all that were sent, in order.
	Queries []Query
}

// Ask asks for a name's addresses of a type. The error is the testbed's own; when
// the context ends first, the answer has Failed.
func (s *Stub) Ask(ctx context.Context, name string, t topo.RecordType) (*Answer, error) {
	a := &Answer{Type: t}
	for range s.Attempts {
		for i, server := range s.Servers {
			for _, overTCP := range []bool{false, true} {
				q, err := s.try(ctx, name, t, server, overTCP, s.patience(i))
				if err != nil {
					return nil, err
				}
				a.Queries = append(a.Queries, *q)
				if q.Reply == rcodes[dnsmessage.RCodeSuccess] || q.Reply == rcodes[dnsmessage.RCodeNameError] {
					a.Addresses, a.Missing = q.Addresses, q.Reply == rcodes[dnsmessage.RCodeNameError]
					return a, nil
				}
				if q.Reply != truncated {
					break
				}
			}
			if ctx.Err() != nil {
				a.Failed = true
				return a, nil
			}
		}
	}
	a.Failed = true
	return a, nil
}

// patience is how long the server of an index has to answer.
func (s *Stub) patience(i int) time.Duration {
	if i == 0 {
		return s.Timeout
	}
	seconds := int(s.Timeout/time.Second) << i / len(s.Servers)
	return time.Duration(max(seconds, 1)) * time.Second
}

// try asks one server once.
func (s *Stub) try(ctx context.Context, name string, t topo.RecordType, server netip.Addr, overTCP bool, patience time.Duration) (*Query, error) {
	q := &Query{Type: t, Server: server, TCP: overTCP, Asked: time.Now()}
	id := uint16(rand.Uint32())
	b, err := question(id, name, t)
	if err != nil {
		return nil, err
	}
	late, err := alarm.Set(patience)
	if err != nil {
		return nil, err
	}
	defer late.Stop()
	c, err := s.dial(ctx, q, late)
	if c == nil || err != nil {
		s.asked()
	}
	if c == nil || err != nil {
		return q, err
	}
	defer c.Close()
	answered := make(chan struct{})
	defer close(answered)
	go func() {
		select {
		case <-answered:
			return
		case <-late.C:
		case <-ctx.Done():
		}
		c.SetDeadline(time.Unix(1, 0))
	}()
	r, err := s.converse(c, b, id, name, q)
	q.Elapsed = time.Since(q.Asked)
	switch {
	case err == nil && r.truncated && !overTCP:
		q.Reply = truncated
	case err == nil:
		q.Reply, q.Addresses = rcodeName(r.rcode), r.addresses
	case ctx.Err() != nil:
		q.Reply = Abandoned
	case errors.Is(err, os.ErrDeadlineExceeded):
		q.Reply = TimedOut
	default:
		q.Reply = errnoName(err)
	}
	return q, nil
}

func (s *Stub) asked() {
	if s.OnAsked != nil {
		s.OnAsked()
	}
}

// dial opens a socket toward the query's server; nil if that did not come about,
// and the query says why.
func (s *Stub) dial(ctx context.Context, q *Query, late *alarm.Alarm) (net.Conn, error) {
	if q.TCP {
		return s.dialTCP(ctx, q, late)
	}
	var c *net.UDPConn
	err := s.NS.Do(func() (err error) {
		c, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(q.Server, Port)))
		return err
	})
	if err != nil {
		q.Reply, q.Elapsed = errnoName(err), time.Since(q.Asked)
		return nil, nil
	}
	q.Local = c.LocalAddr().(*net.UDPAddr).AddrPort()
	return c, nil
}

func (s *Stub) dialTCP(ctx context.Context, q *Query, late *alarm.Alarm) (net.Conn, error) {
	attempt, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-late.C:
			cancel()
		case <-attempt.Done():
		}
	}()
	a, err := tcp.Connect(attempt, s.NS, netip.AddrPortFrom(q.Server, Port), tcp.Options{OnStart: func(local netip.AddrPort) { q.Local = local }})
	q.Elapsed = time.Since(q.Asked)
	switch {
	case err != nil && ctx.Err() != nil:
		q.Reply = Abandoned
		return nil, nil
	case err != nil && attempt.Err() != nil:
		q.Reply = TimedOut
		return nil, nil
	case err != nil:
		return nil, err
	case a.Conn == nil:
		q.Reply = unix.ErrnoName(a.Errno)
		return nil, nil
	}
	return a.Conn, nil
}

// converse sends a question and reads until its answer comes.
func (s *Stub) converse(c net.Conn, b []byte, id uint16, name string, q *Query) (*reply, error) {
	if q.TCP {
		b = framed(b)
	}
	_, err := c.Write(b)
	if s.asked(); err != nil {
		return nil, err
	}
	for buf := make([]byte, 64<<10); ; {
		answer := buf
		var err error
		if q.TCP {
			answer, err = readFramed(c)
		} else {
			var n int
			n, err = c.Read(buf)
			answer = buf[:n]
		}
		if err != nil {
			return nil, err
		}
		r, err := parse(answer, id, name, q.Type)
		if err == nil || q.TCP {
			return r, err
		}
	}
}

// errnoName is the symbol of the errno in an error, or the error's own text.
func errnoName(err error) string {
	var e unix.Errno
	if errors.As(err, &e) {
		return unix.ErrnoName(e)
	}
	return fmt.Sprint(err)
}
