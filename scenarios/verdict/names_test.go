package verdict

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"testbed/agents"
	"testbed/observe"
	"testbed/scenarios/spec"
	"testbed/topo"
)

// raced is a connection by IPv4 that was faster than one by IPv6.
func raced() *Observation {
	o := connected()
	resolved := 20 * ms
	six, four := netip.MustParseAddrPort("[2001:db8::2]:80"), o.Remote
	o.Name, o.ResolveTime, o.Attempt = "www.example", &resolved, agents.Connected
	o.Queries = []Query{{Type: topo.AAAA}, {Type: topo.A}, {Type: topo.A}}
	o.Attempts = []Attempt{
		{To: six, Node: "server", At: 20 * ms, Elapsed: 300 * ms, Outcome: agents.Abandoned},
		{To: four, Node: "server", At: 270 * ms, Elapsed: 50 * ms, Outcome: agents.Connected},
	}
	o.Beside = []observe.Journey{{Fate: observe.Fate{Drop: observe.Drop{Node: "fw", Cause: observe.ByRule, Rule: "no-ipv6"}}}}
	return o
}

func exactly(d time.Duration) *spec.Duration { return bound(spec.About, "", float64(d), "") }

func TestNames(t *testing.T) {
	o := raced()
	both := []spec.AttemptExpect{
		{To: "server", Family: spec.IPv6, Outcome: agents.Abandoned, At: exactly(20 * ms)},
		{To: o.Remote.Addr().String(), Outcome: agents.Connected, At: exactly(270 * ms), Elapsed: exactly(50 * ms)},
	}
	other := func(i int, change func(*spec.AttemptExpect)) []spec.AttemptExpect {
		all := append([]spec.AttemptExpect(nil), both...)
		change(&all[i])
		return all
	}
	unasked, unconnected := raced(), raced()
	unasked.ResolveTime = nil
	unconnected.Attempt = agents.TimedOut
	for _, c := range []struct {
		name   string
		obs    *Observation
		expect spec.Expect
		want   string
	}{
		{"resolve_time", o, spec.Expect{ResolveTime: exactly(22 * ms)}, "ok"},
		{"resolve_time, late", o, spec.Expect{ResolveTime: exactly(ms)}, "violated"},
		{"resolve_time, nobody was asked", unasked, spec.Expect{ResolveTime: exactly(ms)}, "violated"},
		{"queries", o, spec.Expect{Queries: map[topo.RecordType]spec.Count{topo.A: {Value: 2}, topo.AAAA: {Value: 1}}}, "ok"},
		{"queries, one too few", o, spec.Expect{Queries: map[topo.RecordType]spec.Count{topo.A: {Value: 3}}}, "violated"},
		{"to the node", o, spec.Expect{ConnectedTo: "server"}, "ok"},
		{"to the address", o, spec.Expect{ConnectedTo: o.Remote.Addr().String()}, "ok"},
		{"to another node", o, spec.Expect{ConnectedTo: "fw"}, "violated"},
		{"to another address", o, spec.Expect{ConnectedTo: "192.0.2.1"}, "violated"},
		{"to nobody", unconnected, spec.Expect{ConnectedTo: "server"}, "violated"},
		{"attempts", o, spec.Expect{Attempts: both}, "ok"},
		{"attempts of which nothing is expected", o, spec.Expect{Attempts: make([]spec.AttemptExpect, 2)}, "ok"},
		{"an attempt too many", o, spec.Expect{Attempts: both[:1]}, "violated"},
		{"an attempt too few", o, spec.Expect{Attempts: append(both, spec.AttemptExpect{})}, "violated"},
		{"of another outcome", o, spec.Expect{Attempts: other(0, func(a *spec.AttemptExpect) { a.Outcome = agents.TimedOut })}, "violated"},
		{"of another family", o, spec.Expect{Attempts: other(1, func(a *spec.AttemptExpect) { a.Family = spec.IPv6 })}, "violated"},
		{"to another address", o, spec.Expect{Attempts: other(1, func(a *spec.AttemptExpect) { a.To = "192.0.2.1" })}, "violated"},
		{"too early", o, spec.Expect{Attempts: other(1, func(a *spec.AttemptExpect) { a.At = exactly(300 * ms) })}, "violated"},
		{"too long", o, spec.Expect{Attempts: other(1, func(a *spec.AttemptExpect) { a.Elapsed = exactly(10 * ms) })}, "violated"},
		{"what died beside the connection", o, spec.Expect{Dropped: &spec.Dropped{Node: "fw", Rule: "no-ipv6"}}, "ok"},
	} {
		v := Judge(&spec.Step{Connect: &spec.Connect{}, Expect: &c.expect}, c.obs)
		if got := map[bool]string{true: "ok", false: "violated"}[v.OK]; got != c.want {
			t.Errorf("%s is %s, want %s: %+v", c.name, got, c.want, v.Checks)
		}
		for _, check := range v.Checks {
			if !check.OK && (check.Note == "" || strings.Contains(check.Note, "%!")) {
				t.Errorf("%s: the note %q says nothing", c.name, check.Note)
			}
		}
	}
}

func TestAnUnresolvedNameIsNoSuccess(t *testing.T) {
	o := &Observation{Kind: Connect, Outcome: agents.NoSuchName, Errno: "EAI_NONAME"}
	if v := Judge(&spec.Step{Connect: &spec.Connect{}}, o); v.OK {
		t.Error("an attempt on a name that does not exist succeeded")
	}
	if v := Judge(&spec.Step{Connect: &spec.Connect{}, Expect: &spec.Expect{Outcome: agents.NoSuchName, Error: "EAI_NONAME"}}, o); !v.OK {
		t.Errorf("%+v", v.Checks)
	}
}
