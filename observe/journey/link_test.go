package journey_test

import (
	"testing"

	"testbed/netem"
	"testbed/topo"
)

func TestTraceAcrossLinks(t *testing.T) {
	testTraces(t, []traced{
		{"lost on the second link", chain(), func(r *record) {
			s := r.syn()
			r.path(s, "client", "fw")
			r.lose("fw", "server", s.hop(1), netem.Lost)
		}, []string{"SYN client>fw dead on fw>server: loss"}},
		{"too big for a link", chain(), func(r *record) {
			s := r.syn()
			s.flags, s.length = topo.ACK, 1300
			r.lose("client", "fw", s, netem.TooBig)
		}, []string{"ACK client dead on client>fw: mtu"}},
		{"one of two identical packets is lost", chain(), func(r *record) {
			s := r.syn()
			r.lose("client", "fw", s, netem.Lost)
			r.path(s, "client", "fw", "server")
		}, []string{"SYN client dead on client>fw: loss", "SYN again client>fw>server delivered"}},
		{"a link that is down", func() topo.Topology {
			n := chain()
			n.Links[1].Toward[1].Down = true
			return n
		}(), func(r *record) {
			r.path(r.syn(), "client", "fw")
			r.leave("fw", "server", r.syn().hop(1))
		}, []string{"SYN client>fw dead on fw>server: link-down"}},
		{"on its way at the end", chain(), func(r *record) {
			r.path(r.syn(), "client", "fw")
			r.leave("fw", "server", r.syn().hop(1))
			r.input.Until = r.now
		}, []string{"SYN client>fw pending"}},
		{"in the router at the end", chain(), func(r *record) {
			r.path(r.syn(), "client", "fw")
			r.input.Until = r.now
		}, []string{"SYN client>fw pending"}},
		{"never seen again, without a reason", chain(), func(r *record) {
			r.leave("client", "fw", r.syn())
		}, []string{"SYN client dead on client>fw: unknown"}},
		{"a link that duplicates", chain(), func(r *record) {
			s := r.syn()
			r.leave("client", "fw", s)
			r.arrive("client", "fw", s)
			r.arrive("client", "fw", s)
			r.leave("fw", "server", s.hop(1))
			r.leave("fw", "server", s.hop(1))
			r.arrive("fw", "server", s.hop(1))
			r.lose("fw", "server", segment{src: s.src, dst: s.dst, flags: topo.ACK, seq: 101}.hop(1), netem.Lost)
			r.arrive("fw", "server", s.hop(1))
		}, []string{"SYN client>fw>server delivered", "ACK fw dead on fw>server: loss"}},
		{"only one of two duplicates gets through", chain(drop("nth", topo.Match{Proto: "tcp", Nth: 2})), func(r *record) {
			s := r.syn()
			r.leave("client", "fw", s)
			r.arrive("client", "fw", s)
			r.pass("fw", "server", s.hop(1))
			r.arrive("client", "fw", s)
			r.count("fw", "nth", 1)
		}, []string{"SYN client>fw>server>fw delivered"}},
	})
}
