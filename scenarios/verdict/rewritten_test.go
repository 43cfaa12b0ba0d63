package verdict

import (
	"testing"

	"testbed/observe"
	"testbed/scenarios/spec"
)

func TestRewritten(t *testing.T) {
	clamped := observe.Rewrite{Node: "fw", Field: "mss", From: "1460", To: "1340", Packets: 2}
	stripped := observe.Rewrite{Node: "fw", Field: "timestamps", From: "yes", To: "none", Packets: 1}
	for _, c := range []struct {
		name     string
		observed []observe.Rewrite
		want     spec.Rewritten
		check    Check
	}{
		{"all of it", []observe.Rewrite{stripped, clamped}, spec.Rewritten{Node: "fw", Field: "mss", From: "1460", To: "1340"},
			Check{Expected: "mss 1460 → 1340 at fw", Observed: "mss 1460 → 1340 at fw: 2 packets", OK: true}},
		{"the field alone", []observe.Rewrite{clamped}, spec.Rewritten{Field: "mss"},
			Check{Expected: "mss", Observed: "mss 1460 → 1340 at fw: 2 packets", OK: true}},
		{"another value", []observe.Rewrite{clamped}, spec.Rewritten{Field: "mss", To: "1200"},
			Check{Expected: "mss to 1200", Observed: "mss 1460 → 1340 at fw: 2 packets", Note: "expected mss to 1200, observed mss 1460 → 1340 at fw: 2 packets"}},
		{"from another value", []observe.Rewrite{clamped}, spec.Rewritten{Field: "mss", From: "1440"},
			Check{Expected: "mss from 1440", Observed: "mss 1460 → 1340 at fw: 2 packets", Note: "expected mss from 1440, observed mss 1460 → 1340 at fw: 2 packets"}},
		{"at another node", []observe.Rewrite{stripped}, spec.Rewritten{Node: "nat", Field: "timestamps"},
			Check{Expected: "timestamps at nat", Observed: "timestamps yes → none at fw: 1 packet", Note: "expected timestamps at nat, observed timestamps yes → none at fw: 1 packet"}},
		{"nothing", nil, spec.Rewritten{Field: "ecn"}, Check{Expected: "ecn", Observed: "nothing", Note: "nothing was rewritten"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := connected()
			o.Rewrites = c.observed
			v := Judge(&spec.Step{Expect: &spec.Expect{Rewritten: &c.want}}, o)
			c.check.Key = "rewritten"
			if got := v.Checks[len(v.Checks)-1]; got != c.check {
				t.Errorf("got %+v, want %+v", got, c.check)
			}
		})
	}
}
