package journey_test

import (
	"net/netip"
	"testing"

	"testbed/topo"
)

func TestTraceAlongRoutes(t *testing.T) {
	testTraces(t, []traced{
		{"blackhole route", withRoutes(chain(), "fw", topo.Route{To: netip.MustParsePrefix("198.18.0.4/30"), Kind: topo.Blackhole}), func(r *record) {
			r.path(r.syn(), "client", "fw")
		}, []string{"SYN client>fw dead in fw: blackhole"}},
		{"prohibit route", withRoutes(chain(), "fw", topo.Route{To: netip.MustParsePrefix("198.18.0.4/30"), Kind: topo.Prohibit}), func(r *record) {
			s := r.syn()
			r.path(s, "client", "fw")
			q := s
			r.path(segment{proto: 1, src: r.addr("client", "fw", 0), dst: s.src, kind: 3, code: 13, quoted: &q}, "fw", "client")
		}, []string{"SYN client>fw dead in fw: prohibit, admin-prohibited", "ICMP 3/13 fw>client delivered"}},
		{"from where no route leads back", withSysctl(withRoutes(chain(), "fw", topo.Route{ToNode: "client", Kind: topo.Unicast, Via: "server"}), "fw", "net.ipv4.conf.eth0.rp_filter", "1"), func(r *record) {
			r.path(r.syn(), "client", "fw")
		}, []string{"SYN client>fw dead in fw: rp-filter"}},
		{"loosely filtered, from where another route leads back", withSysctl(withRoutes(chain(), "fw", topo.Route{ToNode: "client", Kind: topo.Unicast, Via: "server"}), "fw", "net.ipv4.conf.all.rp_filter", "2"), func(r *record) {
			r.path(r.syn(), "client", "fw", "server")
		}, []string{"SYN client>fw>server delivered"}},
		{"no route", chain(), func(r *record) {
			s := r.syn().to(netip.MustParseAddrPort("203.0.113.1:80"))
			r.path(s, "client", "fw")
			q := s
			r.path(segment{proto: 1, src: r.addr("client", "fw", 0), dst: s.src, kind: 3, code: 0, quoted: &q}, "fw", "client")
		}, []string{"SYN client>fw dead in fw: no-route, net-unreachable", "ICMP 3/0 fw>client delivered"}},
		{"no such host on the last link", chain(), func(r *record) {
			who := netip.MustParseAddr("198.18.0.7")
			s := r.syn().to(netip.AddrPortFrom(who, 80))
			r.path(s, "client", "fw")
			r.ask("fw", "server", who)
			q := s
			r.path(segment{proto: 1, src: r.addr("client", "fw", 0), dst: s.src, kind: 3, code: 1, quoted: &q}, "fw", "client")
		}, []string{"SYN client>fw dead in fw: no-neighbour, host-unreachable", "ICMP 3/1 fw>client delivered"}},
		{"a hop limit that runs out", chain(), func(r *record) {
			s := r.syn()
			s.ttl = 1
			r.path(s, "client", "fw")
			q := s
			r.path(segment{proto: 1, src: r.addr("client", "fw", 0), dst: s.src, kind: 11, quoted: &q}, "fw", "client")
		}, []string{"SYN client>fw dead in fw: ttl, time-exceeded", "ICMP 11/0 fw>client delivered"}},
		{"too big for the next link's interface", func() topo.Topology {
			n := chain()
			n.Links[1].MTU = 1000
			return n
		}(), func(r *record) {
			s := r.syn()
			s.flags, s.length = topo.ACK, 1200
			r.path(s, "client", "fw")
			q := s
			r.path(segment{proto: 1, src: r.addr("client", "fw", 0), dst: s.src, kind: 3, code: 4, quoted: &q}, "fw", "client")
		}, []string{"ACK client>fw dead in fw: too-big, fragmentation-needed", "ICMP 3/4 fw>client delivered"}},
		{"a host does not forward", chain(), func(r *record) {
			s := r.syn().to(netip.MustParseAddrPort("203.0.113.1:80"))
			r.path(s, "client", "fw", "server")
		}, []string{"SYN client>fw>server dead in server: no-forwarding"}},
	})
}
