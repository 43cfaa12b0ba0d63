package journey_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"testbed/observe"
	"testbed/observe/journey"
	"testbed/topo"
)

func TestFlow(t *testing.T) {
	for _, c := range []struct {
		name string
		net  topo.Topology
		// record returns the connection that is asked for.
		record func(r *record) journey.Connection
		want   []string
	}{
		{"one of two connections to the same server", chain(), func(r *record) journey.Connection {
			s := r.syn()
			other := s.from(r.addr("server", "client", 40001))
			r.path(s, "client", "fw", "server")
			r.path(other, "client", "fw", "server")
			r.path(synAck(other), "server", "fw", "client")
			r.path(synAck(s), "server", "fw", "client")
			return journey.Connection{Client: "client", Local: other.src, Remote: other.dst}
		}, []string{"SYN client>fw>server delivered", "SYN-ACK server>fw>client delivered"}},
		{"through a NAT that changes the port, among others of the same port", func() topo.Topology {
			n := behindNAT()
			n.Nodes = append(n.Nodes, topo.Node{Name: "tablet", Role: topo.Host})
			n.Links = append(n.Links, topo.Link{Ends: [2]string{"tablet", "nat"}})
			return n
		}(), func(r *record) journey.Connection {
			in, out := r.phoneSYN()
			r.pass("phone", "nat", in)
			r.path(out, "nat", "inet", "server")
			in2 := in.from(netip.AddrPortFrom(r.addr("nat", "tablet", 0).Addr(), 40000))
			in2.seq = 5000
			out2 := in2.from(r.outside(1024)).hop(1)
			r.pass("tablet", "nat", in2)
			r.path(out2, "nat", "inet", "server")
			r.path(synAck(out2), "server", "inet") // dies before it is translated back
			r.path(synAck(out), "server", "inet", "nat")
			r.pass("nat", "phone", synAck(out).to(in.src).hop(2))
			return journey.Connection{Client: "tablet", Local: in2.src, Remote: in2.dst}
		}, []string{"SYN tablet>nat>inet>server delivered", "SYN-ACK server>inet dead in inet: unknown"}},
		{"an answer that a router gives in the server's name", chain(reject("no", web, topo.TCPReset)), func(r *record) journey.Connection {
			s := r.syn()
			r.path(s, "client", "fw")
			r.path(segment{src: s.dst, dst: s.src, flags: topo.RST | topo.ACK, ack: 101}, "fw", "client")
			r.count("fw", "no", 1)
			return journey.Connection{Client: "client", Local: s.src, Remote: s.dst}
		}, []string{"SYN client>fw dead in fw: rule no, tcp-reset", "RST-ACK fw>client delivered"}},
		{"an ICMP error from beyond a NAT, and none about others", behindNAT(), func(r *record) journey.Connection {
			in, out := r.phoneSYN()
			r.pass("phone", "nat", in)
			r.path(out, "nat", "inet")
			quoted := out.hop(1)
			e := segment{proto: 1, src: r.addr("nat", "inet", 0), dst: netip.AddrPortFrom(out.src.Addr(), 0), kind: 3, code: 1, quoted: &quoted}
			r.path(e, "inet", "nat")
			back := in.hop(2)
			e.quoted = &back
			r.pass("nat", "phone", e.to(in.src).hop(1))
			foreign := in.from(netip.AddrPortFrom(in.src.Addr(), 9))
			e.quoted = &foreign
			r.pass("nat", "phone", e.to(in.src))
			return journey.Connection{Client: "phone", Local: in.src, Remote: in.dst}
		}, []string{"SYN phone>nat>inet dead in inet: no-neighbour, host-unreachable", "ICMP 3/1 inet>nat>phone delivered"}},
		{"to a forwarded port", behindNAT(), func(r *record) journey.Connection {
			s := segment{src: r.addr("nat", "server", 5000), dst: r.outside(8080), flags: topo.SYN, seq: 1}
			r.path(s, "server", "inet", "nat")
			in := s.to(r.addr("nat", "phone", 80)).hop(2)
			r.pass("nat", "phone", in)
			a := synAck(segment{src: in.src, dst: in.dst, seq: 1})
			r.pass("phone", "nat", a)
			r.path(a.from(s.dst).hop(1), "nat", "inet", "server")
			return journey.Connection{Client: "server", Local: s.src, Remote: s.dst}
		}, []string{"SYN server>inet>nat>phone delivered", "SYN-ACK phone>nat>inet>server delivered"}},
		{"late packets of an earlier connection of the same ends", chain(), func(r *record) journey.Connection {
			s := r.syn()
			r.path(segment{src: s.dst, dst: s.src, flags: topo.FIN | topo.ACK, seq: 5}, "server", "fw", "client")
			r.path(s, "client", "fw", "server")
			s.ts = 9
			r.path(s, "client", "fw", "server")
			return journey.Connection{Client: "client", Local: s.src, Remote: s.dst}
		}, []string{"SYN client>fw>server delivered", "SYN again client>fw>server delivered"}},
		{"an established connection", chain(), func(r *record) journey.Connection {
			s := r.syn()
			s.flags, s.length = topo.ACK, 5
			r.path(s, "client", "fw", "server")
			return journey.Connection{Client: "client", Local: s.src, Remote: s.dst}
		}, []string{"ACK client>fw>server delivered"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRecord(t, c.net)
			conn := c.record(r)
			if got := r.describe(journey.Flow(r.plan, r.trace(), conn)); !slices.Equal(got, c.want) {
				t.Errorf("flow\n\t%q, want\n\t%q", got, c.want)
			}
		})
	}
}

// talk records segments of one connection in a chain. c and s count the
// sequence numbers of client and server.
type talk struct {
	*record
	c, s uint32
	id   uint16
}

func (k *talk) client(flags topo.TCPFlags, length int) segment {
	syn := k.syn()
	k.id++
	g := segment{src: syn.src, dst: syn.dst, flags: flags, seq: k.c, ack: k.s, length: length, id: k.id}
	k.c += count(flags, length)
	return g
}

func (k *talk) server(flags topo.TCPFlags, length int) segment {
	syn := k.syn()
	k.id++
	g := segment{src: syn.dst, dst: syn.src, flags: flags, seq: k.s, ack: k.c, length: length, id: k.id}
	k.s += count(flags, length)
	return g
}

func count(flags topo.TCPFlags, length int) uint32 {
	n := uint32(length)
	if flags&(topo.SYN|topo.FIN) != 0 {
		n++
	}
	return n
}

func (k *talk) there(g segment) { k.path(g, "client", "fw", "server") }
func (k *talk) back(g segment)  { k.path(g, "server", "fw", "client") }

func (k *talk) handshake() {
	k.there(k.client(topo.SYN, 0))
	k.back(k.server(topo.SYN|topo.ACK, 0))
	k.there(k.client(topo.ACK, 0))
}

// crossing is a simultaneous open: each end sends its SYN before the other's has
// arrived, and then a SYN-ACK with the same number.
func (k *talk) crossing() {
	a, b := k.client(topo.SYN, 0), k.server(topo.SYN, 0)
	k.leave("client", "fw", a)
	k.leave("server", "fw", b)
	k.arrive("client", "fw", a)
	k.arrive("server", "fw", b)
	k.pass("fw", "server", a.hop(1))
	k.pass("fw", "client", b.hop(1))
	for _, g := range []*segment{&a, &b} {
		k.id++
		g.flags, g.id = topo.SYN|topo.ACK, k.id
	}
	a.ack, b.ack = k.s, k.c
	k.there(a)
	k.back(b)
}

// A SYN-ACK that answers a SYN is no retransmission of the own one.
func TestSimultaneousOpenSendsNothingAgain(t *testing.T) {
	k := &talk{record: newRecord(t, chain()), c: 1000, s: 1 << 31}
	k.crossing()
	k.there(k.client(topo.ACK, 0))
	js := k.trace()
	for i := range js {
		if js[i].Retransmission {
			t.Errorf("packet %d is a retransmission", i)
		}
	}
	if len(js) != 5 {
		t.Errorf("%d packets, expected 5", len(js))
	}
}

func TestStates(t *testing.T) {
	const ack, fin = topo.ACK, topo.FIN | topo.ACK
	for _, c := range []struct {
		name           string
		talk           func(k *talk)
		failed         bool
		client, server []observe.State
	}{
		{"a handshake", func(k *talk) { k.handshake() }, false,
			[]observe.State{observe.SynSent, observe.Established}, []observe.State{observe.SynReceived, observe.Established}},
		{"silence", func(k *talk) { k.path(k.client(topo.SYN, 0), "client", "fw") }, true,
			[]observe.State{observe.SynSent, observe.Closed}, nil},
		{"a closed port", func(k *talk) {
			k.there(k.client(topo.SYN, 0))
			k.back(k.server(topo.RST|ack, 0))
		}, true, []observe.State{observe.SynSent, observe.Closed}, nil},
		{"a SYN that the server never answers", func(k *talk) { k.there(k.client(topo.SYN, 0)) }, true,
			[]observe.State{observe.SynSent, observe.Closed}, nil},
		{"a SYN-ACK that is lost and sent again", func(k *talk) {
			k.there(k.client(topo.SYN, 0))
			g := k.server(topo.SYN|ack, 0)
			k.path(g, "server", "fw")
			g.ts = 1000
			k.back(g)
			k.there(k.client(ack, 0))
		}, false, []observe.State{observe.SynSent, observe.Established}, []observe.State{observe.SynReceived, observe.Established}},
		{"a last ACK that is lost, then data", func(k *talk) {
			k.there(k.client(topo.SYN, 0))
			k.back(k.server(topo.SYN|ack, 0))
			k.path(k.client(ack, 0), "client", "fw")
			k.there(k.client(ack, 5))
		}, false, []observe.State{observe.SynSent, observe.Established}, []observe.State{observe.SynReceived, observe.Established}},
		{"both open at once", func(k *talk) { k.crossing() }, false,
			[]observe.State{observe.SynSent, observe.SynReceived, observe.Established},
			[]observe.State{observe.SynSent, observe.SynReceived, observe.Established}},
		{"the client closes", func(k *talk) {
			k.handshake()
			k.there(k.client(fin, 0))
			k.back(k.server(ack, 0))
			k.back(k.server(fin, 0))
			k.there(k.client(ack, 0))
		}, false, []observe.State{observe.SynSent, observe.Established, observe.FinWait1, observe.FinWait2, observe.TimeWait},
			[]observe.State{observe.SynReceived, observe.Established, observe.CloseWait, observe.LastAck, observe.Closed}},
		{"the server closes with its ACK", func(k *talk) {
			k.handshake()
			k.there(k.client(fin, 0))
			k.back(k.server(fin, 0))
			k.there(k.client(ack, 0))
		}, false, []observe.State{observe.SynSent, observe.Established, observe.FinWait1, observe.TimeWait},
			[]observe.State{observe.SynReceived, observe.Established, observe.CloseWait, observe.LastAck, observe.Closed}},
		{"both close at once", func(k *talk) {
			k.handshake()
			a := k.client(fin, 0)
			b := k.server(fin, 0)
			b.ack--
			k.leave("client", "fw", a)
			k.leave("server", "fw", b)
			k.arrive("client", "fw", a)
			k.arrive("server", "fw", b)
			k.pass("fw", "server", a.hop(1))
			k.pass("fw", "client", b.hop(1))
			k.there(k.client(ack, 0))
			k.back(k.server(ack, 0))
		}, false, []observe.State{observe.SynSent, observe.Established, observe.FinWait1, observe.Closing, observe.TimeWait},
			[]observe.State{observe.SynReceived, observe.Established, observe.FinWait1, observe.Closing, observe.TimeWait}},
		{"a FIN that overtakes data", func(k *talk) {
			k.handshake()
			data, last := k.server(ack, 10), k.server(fin, 0)
			k.back(last)
			k.there(k.client(ack, 0))
			k.back(data)
			k.there(k.client(ack, 0))
		}, false, []observe.State{observe.SynSent, observe.Established, observe.CloseWait},
			[]observe.State{observe.SynReceived, observe.Established, observe.FinWait1, observe.FinWait2}},
		{"the client resets", func(k *talk) {
			k.handshake()
			k.there(k.client(topo.RST|ack, 0))
		}, false, []observe.State{observe.SynSent, observe.Established, observe.Closed}, []observe.State{observe.SynReceived, observe.Established, observe.Closed}},
		{"a reset that does not arrive", func(k *talk) {
			k.handshake()
			k.path(k.client(topo.RST|ack, 0), "client", "fw")
		}, false, []observe.State{observe.SynSent, observe.Established, observe.Closed}, []observe.State{observe.SynReceived, observe.Established}},
		{"the record begins in an established connection", func(k *talk) {
			k.there(k.client(ack, 5))
			k.there(k.client(fin, 0))
			k.back(k.server(ack, 0))
		}, false, []observe.State{observe.FinWait1, observe.FinWait2}, []observe.State{observe.CloseWait}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := &talk{record: newRecord(t, chain()), c: 1000, s: 1 << 31}
			c.talk(k)
			conn := journey.Connection{Client: "client", Local: k.syn().src, Remote: k.syn().dst}
			var failed time.Time
			if c.failed {
				failed = k.now.Add(time.Second)
			}
			client, server := journey.States(k.plan, journey.Flow(k.plan, k.trace(), conn), conn, failed)
			if got := states(client); !slices.Equal(got, c.client) {
				t.Errorf("client %v, want %v", got, c.client)
			}
			if got := states(server); !slices.Equal(got, c.server) {
				t.Errorf("server %v, want %v", got, c.server)
			}
		})
	}
}

func states(cs []observe.StateChange) (s []observe.State) {
	for _, c := range cs {
		s = append(s, c.State)
	}
	return s
}

// The times are those of the segments at the ends' own interfaces.
func TestStateTimes(t *testing.T) {
	k := &talk{record: newRecord(t, chain()), c: 1000, s: 1 << 31}
	k.handshake() // four entries, one a millisecond, for each of three segments
	conn := journey.Connection{Client: "client", Local: k.syn().src, Remote: k.syn().dst}
	client, server := journey.States(k.plan, journey.Flow(k.plan, k.trace(), conn), conn, time.Time{})
	at := func(cs []observe.StateChange) (s []string) {
		for _, c := range cs {
			s = append(s, fmt.Sprint(c.Time.Sub(client[0].Time), " ", c.State))
		}
		return s
	}
	if got, want := at(client), []string{"0s SYN-SENT", "7ms ESTABLISHED"}; !slices.Equal(got, want) {
		t.Errorf("client %q, want %q", got, want)
	}
	if got, want := at(server), []string{"4ms SYN-RECEIVED", "11ms ESTABLISHED"}; !slices.Equal(got, want) {
		t.Errorf("server %q, want %q", got, want)
	}
}
