package journey_test

import (
	"testing"
	"time"

	"testbed/topo"
)

func TestTraceToForeignRulesets(t *testing.T) {
	testTraces(t, []traced{
		{"only a ruleset in another language explains it", withRuleset(chain(), "fw"), func(r *record) {
			r.path(r.syn(), "client", "fw")
			r.input.Until = r.now.Add(time.Second)
		}, []string{"SYN client>fw dead in fw: ruleset"}},
		{"a ruleset in another language rejects", withRuleset(chain(), "fw"), func(r *record) {
			s := r.syn()
			r.path(s, "client", "fw")
			r.path(segment{src: s.dst, dst: s.src, flags: topo.RST | topo.ACK, ack: 101}, "fw", "client")
			r.input.Until = r.now.Add(time.Second)
		}, []string{"SYN client>fw dead in fw: ruleset, tcp-reset", "RST-ACK fw>client delivered"}},
		{"a host's ruleset in another language", withRuleset(chain(), "server"), func(r *record) {
			s := r.syn()
			r.path(s, "client", "fw", "server")
			r.path(synAck(s), "server", "fw", "client")
			s.src, s.id = r.addr("server", "client", 40001), 9
			r.path(s, "client", "fw", "server")
			r.input.Until = r.now.Add(time.Second)
		}, []string{"SYN client>fw>server delivered", "SYN-ACK server>fw>client delivered", "SYN client>fw>server dead in server: ruleset"}},
		{"a ruleset in another language translates", withRuleset(chain(), "fw"), func(r *record) {
			s := r.syn()
			r.path(s, "client", "fw")
			r.path(s.from(r.addr("server", "fw", 1024)).hop(1), "fw", "server")
		}, []string{"SYN client>fw>server delivered"}},
	})
}
