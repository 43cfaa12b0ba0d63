package dns

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"testbed/agents/alarm"
	"testbed/agents/tcp"
	"testbed/topo"
	"testbed/topo/netns"
)

// ttl is how long answers may be kept, in seconds.
const ttl = 60

// backlog is that of the TCP listener.
const backlog = 128

// MostDelayed is how many answers of a server may wait for their time at once.
// Questions beyond are not answered, as by a resolver that is overloaded.
const MostDelayed = 1024

// Zone is what a resolver knows: the addresses of a type that a name has for who
// asks, and whether the name exists. It is called from several goroutines.
type Zone func(asker netip.Addr, name string, t topo.RecordType) (addresses []netip.Addr, exists bool)

// Options of Serve.
type Options struct {
	Zone Zone
	// Delay and Silent are as in topo.Resolver; no more than MostDelayed answers are
	// delayed at once.
	Delay  map[topo.RecordType]time.Duration
	Silent []topo.RecordType
}

// Server answers on UDP and TCP port 53 of every address of a namespace.
type Server struct {
	o       Options
	stream  *tcp.Listener
	sockets []*net.UDPConn
	// delayed has a place for each answer that waits for its time.
	delayed chan struct{}
	done    chan struct{}
	work    sync.WaitGroup
}

func newServer(o Options) *Server {
	return &Server{o: o, delayed: make(chan struct{}, MostDelayed), done: make(chan struct{})}
}

// Serve starts a server in a namespace. The caller closes it.
func Serve(ns *netns.NS, o Options) (*Server, error) {
	s := newServer(o)
	err := ns.Do(func() error {
		for _, network := range []string{"udp4", "udp6"} {
			c, err := net.ListenUDP(network, &net.UDPAddr{Port: Port})
			if err != nil {
				return fmt.Errorf("listen for questions: %w", err)
			}
			s.sockets = append(s.sockets, c)
		}
		return nil
	})
	if err == nil {
		s.stream, err = tcp.Listen(ns, Port, backlog, s.stream53)
	}
	if err == nil {
		err = s.receive()
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close ends it. Answers that are due later are not sent.
func (s *Server) Close() error {
	close(s.done)
	var errs []error
	for _, c := range s.sockets {
		errs = append(errs, c.Close())
	}
	if s.stream != nil {
		errs = append(errs, s.stream.Close())
	}
	s.work.Wait()
	return errors.Join(errs...)
}

// receive begins to take datagrams. Answers leave from the address that was asked,
// which a wildcard socket only knows by control messages (ip(7), IP_PKTINFO).
func (s *Server) receive() error {
	four, six := ipv4.NewPacketConn(s.sockets[0]), ipv6.NewPacketConn(s.sockets[1])
	if err := errors.Join(four.SetControlMessage(ipv4.FlagDst, true), six.SetControlMessage(ipv6.FlagDst, true)); err != nil {
		return fmt.Errorf("ask for control messages: %w", err)
	}
	s.work.Go(func() {
		s.datagrams(func(b []byte) (int, net.Addr, func([]byte), error) {
			n, cm, from, err := four.ReadFrom(b)
			return n, from, func(answer []byte) { four.WriteTo(answer, &ipv4.ControlMessage{Src: cm.Dst}, from) }, err
		})
	})
	s.work.Go(func() {
		s.datagrams(func(b []byte) (int, net.Addr, func([]byte), error) {
			n, cm, from, err := six.ReadFrom(b)
			return n, from, func(answer []byte) { six.WriteTo(answer, &ipv6.ControlMessage{Src: cm.Dst}, from) }, err
		})
	})
	return nil
}

// datagrams answers what a socket receives until it is closed. An error that an
// earlier answer brought about is the kernel's way to tell of an ICMP message.
func (s *Server) datagrams(read func([]byte) (int, net.Addr, func([]byte), error)) {
	for b := make([]byte, 64<<10); ; {
		n, from, write, err := read(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		asker := from.(*net.UDPAddr).AddrPort().Addr().Unmap()
		s.answer(asker, slices.Clone(b[:n]), maxDatagram, write)
	}
}

// stream53 answers the questions of a connection.
func (s *Server) stream53(c *net.TCPConn) {
	asker := c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
	var writing sync.Mutex
	for {
		b, err := readFramed(c)
		if err != nil {
			return
		}
		s.answer(asker, b, 1<<16-1, func(answer []byte) {
			writing.Lock()
			defer writing.Unlock()
			c.Write(framed(answer))
		})
	}
}

// answer answers one question when its time has come, in at most so many bytes.
func (s *Server) answer(asker netip.Addr, query []byte, most int, write func([]byte)) {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || m.Response || len(m.Questions) != 1 {
		return
	}
	t := typeOf(m.Questions[0].Type)
	if slices.Contains(s.o.Silent, t) {
		return
	}
	b, err := s.compose(asker, &m, t, most)
	if err != nil {
		return
	}
	if s.o.Delay[t] == 0 {
		write(b)
		return
	}
	s.later(s.o.Delay[t], func() { write(b) })
}

// later does something when so much time has passed, unless the server ends before or
// has too much to do later already.
func (s *Server) later(d time.Duration, do func()) {
	select {
	case s.delayed <- struct{}{}:
	default:
		return
	}
	leave := func() { <-s.delayed }
	a, err := alarm.Set(d)
	if err != nil {
		leave()
		return
	}
	s.work.Go(func() {
		defer leave()
		defer a.Stop()
		select {
		case <-a.C:
			do()
		case <-s.done:
		}
	})
}

// compose writes an answer. One that is too long is sent without its records and
// marked as truncated, so that the client asks again over TCP.
func (s *Server) compose(asker netip.Addr, query *dnsmessage.Message, t topo.RecordType, most int) ([]byte, error) {
	q := query.Questions[0]
	name := q.Name.String()
	addresses, exists := s.o.Zone(asker, name[:len(name)-1], t)
	m := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: query.ID, Response: true, Authoritative: true,
			RecursionDesired: query.RecursionDesired, RecursionAvailable: true,
		},
		Questions: query.Questions,
	}
	if !exists {
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, a := range addresses {
		m.Answers = append(m.Answers, record(q.Name, a))
	}
	b, err := m.Pack()
	if err == nil && len(b) > most {
		m.Answers, m.Truncated = nil, true
		b, err = m.Pack()
	}
	return b, err
}

func record(name dnsmessage.Name, a netip.Addr) dnsmessage.Resource {
	r := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: name, Type: dnsmessage.TypeAAAA, Class: dnsmessage.ClassINET, TTL: ttl}}
	if a.Is4() {
		r.Header.Type, r.Body = dnsmessage.TypeA, &dnsmessage.AResource{A: a.As4()}
	} else {
		r.Body = &dnsmessage.AAAAResource{AAAA: a.As16()}
	}
	return r
}
