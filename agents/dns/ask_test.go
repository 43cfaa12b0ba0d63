package dns

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"testbed/agents/tcp"
	"testbed/topo"
	"testbed/topo/netns"
	"testbed/topo/netns/netnstest"
)

var four, loopback6 = netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")

// long is more than any test takes.
const long = time.Minute

func serve(t *testing.T, ns *netns.NS, o Options) {
	t.Helper()
	s, err := Serve(ns, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// datagrams answers each question over UDP with messages of one's own, in order.
func datagrams(t *testing.T, ns *netns.NS, respond func(query []byte) [][]byte) {
	t.Helper()
	var c *net.UDPConn
	err := ns.Do(func() (err error) {
		c, err = net.ListenUDP("udp4", &net.UDPAddr{IP: four.AsSlice(), Port: Port})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for b := make([]byte, 64<<10); ; {
			n, from, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			for _, m := range respond(b[:n]) {
				c.WriteToUDPAddrPort(m, from)
			}
		}
	}()
	t.Cleanup(func() { c.Close(); <-ended })
}

// ofQuery is the answer with one address to a question that came, after a change.
func ofQuery(t *testing.T, query []byte, change func(*dnsmessage.Message)) []byte {
	var asked dnsmessage.Message
	if err := asked.Unpack(query); err != nil {
		t.Errorf("%x: %v", query, err)
	}
	return answer(t, topo.A, func(m *dnsmessage.Message) {
		m.ID = asked.ID
		if change != nil {
			change(m)
		}
	}, first)
}

func resolve(t *testing.T, s *Stub, name string, typ topo.RecordType) *Answer {
	t.Helper()
	a, err := s.Ask(t.Context(), name, typ)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// replies are those to the questions of an answer, "tcp" before those over TCP.
func replies(a *Answer) string {
	var all []string
	for _, q := range a.Queries {
		if q.TCP {
			q.Reply = "tcp " + q.Reply
		}
		all = append(all, q.Reply)
	}
	return strings.Join(all, ", ")
}

func TestAskAndServe(t *testing.T) {
	ns := netnstest.Loopback(t)
	serve(t, ns, Options{Zone: zone})
	for _, server := range []netip.Addr{four, netip.MustParseAddr("127.0.0.2"), loopback6} {
		asked := 0
		s := &Stub{NS: ns, Servers: []netip.Addr{server}, Timeout: long, Attempts: 1, OnAsked: func() { asked++ }}
		for _, c := range []struct {
			name      string
			t         topo.RecordType
			addresses []netip.Addr
			missing   bool
			replies   string
		}{
			{host, topo.A, []netip.Addr{first, second}, false, "NOERROR"},
			{host + ".", topo.AAAA, []netip.Addr{six}, false, "NOERROR"},
			{"none.example", topo.A, nil, false, "NOERROR"},
			{"other.example", topo.A, nil, true, "NXDOMAIN"},
			{"many.example", topo.A, slices.Repeat([]netip.Addr{first}, 100), false, "truncated, tcp NOERROR"},
		} {
			a := resolve(t, s, c.name, c.t)
			if !slices.Equal(a.Addresses, c.addresses) || a.Missing != c.missing || a.Failed || replies(a) != c.replies {
				t.Errorf("%s %s of %s: %+v", c.name, c.t, server, a)
			}
		}
		if asked != 6 {
			t.Errorf("%d questions were told of, want 6", asked)
		}
	}
}

// TestHostileAnswersAreNotTaken sends much before the answer that is one.
func TestHostileAnswersAreNotTaken(t *testing.T) {
	ns := netnstest.Loopback(t)
	datagrams(t, ns, func(query []byte) [][]byte {
		all := [][]byte{
			{},
			slices.Repeat([]byte{0xff}, 60_000),
			query,
			ofQuery(t, query, func(m *dnsmessage.Message) { m.ID++; m.RCode = dnsmessage.RCodeNameError }),
			ofQuery(t, query, func(m *dnsmessage.Message) { m.Questions[0].Type, m.Answers = dnsmessage.TypeAAAA, nil }),
			ofQuery(t, query, func(m *dnsmessage.Message) { m.Questions[0].Name, m.Answers = named(t, "b.example"), nil }),
		}
		for _, b := range malformed(t) {
			all = append(all, append(slices.Clone(query[:min(2, len(b))]), b[min(2, len(b)):]...))
		}
		return append(all, ofQuery(t, query, nil))
	})
	a := resolve(t, &Stub{NS: ns, Servers: []netip.Addr{four}, Timeout: long, Attempts: 1}, host, topo.A)
	if !slices.Equal(a.Addresses, []netip.Addr{first}) || replies(a) != "NOERROR" {
		t.Errorf("%+v", a)
	}
}

// TestTheNextServerIsAsked goes on where a server's answer is of no use.
func TestTheNextServerIsAsked(t *testing.T) {
	ns := netnstest.Loopback(t)
	refuse := func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeRefused }
	datagrams(t, ns, func(query []byte) [][]byte { return [][]byte{ofQuery(t, query, refuse)} })
	unreachable := netip.MustParseAddr("192.0.2.53")
	a := resolve(t, &Stub{NS: ns, Servers: []netip.Addr{four, loopback6, unreachable}, Timeout: long, Attempts: 2}, host, topo.A)
	if want := "REFUSED, ECONNREFUSED, ENETUNREACH"; !a.Failed || replies(a) != want+", "+want {
		t.Errorf("%+v", a)
	}
}

// TestSilence has a server that never answers, and one whose connection breaks off.
func TestSilence(t *testing.T) {
	ns := netnstest.Loopback(t)
	serve(t, ns, Options{Zone: zone, Silent: []topo.RecordType{topo.A}})
	const timeout = 50 * time.Millisecond
	a := resolve(t, &Stub{NS: ns, Servers: []netip.Addr{four}, Timeout: timeout, Attempts: 2}, host, topo.A)
	if !a.Failed || replies(a) != "timed-out, timed-out" || a.Queries[0].Elapsed < timeout || a.Queries[1].Elapsed < timeout {
		t.Errorf("%+v", a)
	}
	ctx, cancel := context.WithCancel(t.Context())
	a, err := (&Stub{NS: ns, Servers: []netip.Addr{four}, Timeout: long, Attempts: 2, OnAsked: cancel}).Ask(ctx, host, topo.A)
	if err != nil || !a.Failed || replies(a) != Abandoned {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestConnectionsThatBreakOff has the answer over TCP end, or be none.
func TestConnectionsThatBreakOff(t *testing.T) {
	for name, stream := range map[string]string{"at once": "", "in the length": "\x00", "in the message": "\xff\xffabc", "an empty message": "\x00\x00"} {
		ns := netnstest.Loopback(t)
		datagrams(t, ns, func(query []byte) [][]byte {
			return [][]byte{ofQuery(t, query, func(m *dnsmessage.Message) { m.Truncated, m.Answers = true, nil })}
		})
		l, err := tcp.Listen(ns, Port, 1, func(c *net.TCPConn) {
			if _, err := readFramed(c); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			c.Write([]byte(stream))
		})
		if err != nil {
			t.Fatal(err)
		}
		a := resolve(t, &Stub{NS: ns, Servers: []netip.Addr{four}, Timeout: long, Attempts: 1}, host, topo.A)
		if !a.Failed || len(a.Queries) != 2 || a.Queries[1].Reply == "" || a.Queries[1].Reply == rcodes[dnsmessage.RCodeSuccess] {
			t.Errorf("%s: %+v", name, a)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestHostileQuestions has a server answer after all that is no question.
func TestHostileQuestions(t *testing.T) {
	ns := netnstest.Loopback(t)
	serve(t, ns, Options{Zone: zone})
	var c net.Conn
	err := ns.Do(func() (err error) {
		c, err = net.DialUDP("udp4", nil, &net.UDPAddr{IP: four.AsSlice(), Port: Port})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, b := range malformed(t) {
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if a := resolve(t, &Stub{NS: ns, Servers: []netip.Addr{four}, Timeout: long, Attempts: 1}, host, topo.A); len(a.Addresses) != 2 {
		t.Errorf("%+v", a)
	}
}

func TestPatience(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		timeout time.Duration
		servers int
		want    []time.Duration
	}{
		{5 * s, 1, []time.Duration{5 * s}},
		{5 * s, 2, []time.Duration{5 * s, 5 * s}},
		{5 * s, 3, []time.Duration{5 * s, 3 * s, 6 * s}},
		{1 * s, 3, []time.Duration{1 * s, 1 * s, 1 * s}},
	} {
		stub := Stub{Servers: make([]netip.Addr, c.servers), Timeout: c.timeout}
		for i, want := range c.want {
			if got := stub.patience(i); got != want {
				t.Errorf("server %d of %d, %v: %v, want %v", i+1, c.servers, c.timeout, got, want)
			}
		}
	}
}
