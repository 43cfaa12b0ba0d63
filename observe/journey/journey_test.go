package journey_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"testbed/topo"
)

// traced is a record, and what its journeys are to be.
type traced struct {
	name   string
	net    topo.Topology
	record func(r *record)
	want   []string
}

func testTraces(t *testing.T, all []traced) {
	t.Helper()
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			r := newRecord(t, c.net)
			c.record(r)
			js := r.trace()
			if got := r.describe(js); !slices.Equal(got, c.want) {
				t.Errorf("journeys\n\t%q, want\n\t%q", got, c.want)
			}
			for _, j := range js {
				for i := 1; i < len(j.Sightings); i++ {
					if j.Sightings[i].Time.Before(j.Sightings[i-1].Time) {
						t.Errorf("sightings out of order in %s", r.one(&j))
					}
				}
			}
		})
	}
}

func TestTrace(t *testing.T) {
	testTraces(t, []traced{
		{"a handshake across a router", chain(), func(r *record) {
			s := r.syn()
			r.path(s, "client", "fw", "server")
			r.path(synAck(s), "server", "fw", "client")
			r.path(segment{src: s.src, dst: s.dst, flags: topo.ACK, seq: 101, ack: 901, ts: 2, id: 2}, "client", "fw", "server")
		}, []string{"SYN client>fw>server delivered", "SYN-ACK server>fw>client delivered", "ACK client>fw>server delivered"}},
		{"an echo and its answer", chain(), func(r *record) {
			s := segment{proto: 1, src: r.addr("server", "client", 0), dst: r.addr("client", "server", 0), kind: 8, id: 5}
			r.path(s, "client", "fw", "server")
			r.path(segment{proto: 1, src: s.dst, dst: s.src, kind: 0, id: 6}, "server", "fw", "client")
		}, []string{"ICMP 8/0 client>fw>server delivered", "ICMP 0/0 server>fw>client delivered"}},
		{"sent before the record begins", chain(), func(r *record) {
			r.arrive("client", "fw", r.syn())
			r.pass("fw", "server", r.syn().hop(1))
		}, []string{"SYN fw>server delivered"}},
		{"data is sent again in other pieces", chain(), func(r *record) {
			s := r.syn()
			s.flags = topo.ACK
			for i, part := range []struct {
				seq    uint32
				length int
			}{{100, 10}, {110, 10}, {100, 20}, {120, 10}, {130, 0}} {
				s.seq, s.length, s.id = part.seq, part.length, uint16(i)
				r.path(s, "client", "fw", "server")
			}
		}, []string{"ACK client>fw>server delivered", "ACK client>fw>server delivered", "ACK again client>fw>server delivered", "ACK client>fw>server delivered", "ACK client>fw>server delivered"}},
	})
}

func TestIPv6IsFollowedLikeIPv4(t *testing.T) {
	r := newRecord(t, chain(drop("v6", topo.Match{To: "2001:db8:0:1::/64"})))
	v6 := func(from, node int, port uint16) netip.AddrPort {
		return netip.AddrPortFrom(r.plan.Resolve(from, node, false), port)
	}
	s := segment{src: v6(2, 0, 40000), dst: v6(0, 2, 80), flags: topo.SYN, seq: 1}
	r.path(s, "client", "fw")
	r.path(segment{proto: 58, src: v6(0, 1, 0), dst: s.src, kind: 1, code: 1, quoted: &s}, "fw", "client")
	s.seq = 1000
	r.path(s, "client", "fw", "server")
	r.input.Until = r.now.Add(time.Minute)
	r.count("fw", "v6", 1)
	want := []string{"SYN client>fw dead in fw: rule v6", "ICMP 1/1 fw>client delivered", "SYN client>fw>server delivered"}
	if got := r.describe(r.trace()); !slices.Equal(got, want) {
		t.Errorf("journeys %q, want %q", got, want)
	}
}
