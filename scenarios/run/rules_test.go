package run_test

import (
	"slices"
	"testing"
	"time"

	"testbed/observe"
	"testbed/scenarios/run"
	"testbed/scenarios/spec"
	"testbed/topo"
)

// dropping is client – fw – server, where the firewall drops SYNs by rules.
func dropping(rules ...topo.Rule) *topo.Topology {
	n := lossyFirst()
	for i := range rules {
		rules[i].Hook, rules[i].Action = topo.Forward, topo.DropPacket
		rules[i].Match.Proto, rules[i].Match.Flags = "tcp", topo.SYN
	}
	n.Nodes[1].Firewall = rules
	return n
}

// deaths are the rules that ended the SYNs of an attempt, in order.
func deaths(t *testing.T, lab *run.Lab, port uint16, timeout time.Duration) (rules []string) {
	t.Helper()
	o, err := lab.Connect(t.Context(), spec.Connect{From: "client", Target: target("server", port), Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	for i := range o.Journeys {
		if p := o.Journeys[i].Packet(); p.TCP.Flags != topo.SYN {
			continue
		}
		switch f := o.Journeys[i].Fate; {
		case f.Delivered:
			rules = append(rules, "delivered")
		case f.Drop.Cause == observe.ByRule:
			rules = append(rules, f.Drop.RuleText())
		default:
			rules = append(rules, string(f.Drop.Cause))
		}
	}
	return rules
}

// Where rules overlap, each SYN died by the first one that was for it, also where an
// earlier step's packets count. The second SYN never gets to the rule for the fifth.
func TestRulesThatOverlap(t *testing.T) {
	t.Parallel()
	lab := open(t, dropping(topo.Rule{Name: "second", Match: topo.Match{Nth: 2}}, topo.Rule{Name: "fifth", Match: topo.Match{Nth: 4}},
		topo.Rule{Name: "rest", Match: topo.Match{Dport: topo.PortRange{First: 80, Last: 80}}}))
	if got, want := deaths(t, lab, 80, 1500*time.Millisecond), []string{"rest", "second"}; !slices.Equal(got, want) {
		t.Errorf("the first two SYNs died by %q, want %q", got, want)
	}
	if got, want := deaths(t, lab, 80, 500*time.Millisecond), []string{"rest"}; !slices.Equal(got, want) {
		t.Errorf("the third SYN died by %q, want %q", got, want)
	}
	if got, want := deaths(t, lab, 7, 2500*time.Millisecond), []string{"delivered"}; !slices.Equal(got, want) {
		t.Errorf("the fourth SYN: %q, want %q", got, want)
	}
	if got, want := deaths(t, lab, 7, 2500*time.Millisecond), []string{"fifth", "delivered"}; !slices.Equal(got, want) {
		t.Errorf("the fifth SYN and the next: %q, want %q", got, want)
	}
}

// Which of two rules by chance it was is not known, and said so.
func TestRulesByChanceThatOverlap(t *testing.T) {
	t.Parallel()
	lab := open(t, dropping(topo.Rule{Name: "one", Match: topo.Match{Rate: topo.Rate{Packets: 1, Per: "day", Burst: 1}}},
		topo.Rule{Name: "two", Match: topo.Match{Rate: topo.Rate{Packets: 1, Per: "day", Burst: 1}}}))
	if got, want := deaths(t, lab, 80, 0), []string{"one or two", "one or two", "delivered"}; !slices.Equal(got, want) {
		t.Errorf("the SYNs died by %q, want %q", got, want)
	}
}

// Of a connection that is kept, the packets of earlier steps have died of what these
// steps' rules counted, and leave the later ones theirs.
func TestRulesOfAConnectionThatIsKept(t *testing.T) {
	t.Parallel()
	n := lossyFirst()
	n.Nodes[1].Firewall = []topo.Rule{
		{Name: "first", Hook: topo.Forward, Action: topo.DropPacket, Match: topo.Match{Flags: topo.SYN, Nth: 1}},
		{Name: "third", Hook: topo.Forward, Action: topo.DropPacket, Match: topo.Match{From: "client", Nth: 3}},
	}
	lab := open(t, n)
	if _, err := lab.Connect(t.Context(), spec.Connect{From: "client", Target: target("server", 7), As: "kept"}); err != nil {
		t.Fatal(err)
	}
	o, err := lab.Exchange(t.Context(), spec.Exchange{Connection: "kept", Send: "hello"})
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Earlier) == 0 || o.Earlier[0].Fate.Drop.Rule != "first" {
		t.Errorf("the first SYN: %+v, want it dropped by the first rule", o.Earlier)
	}
	if d := o.Journeys[0].Fate.Drop; d.Rule != "third" || len(o.Rules) != 1 {
		t.Errorf("the data: %+v, want it dropped by the third rule, the only one that counted: %+v", d, o.Rules)
	}
}

// Rules that a step replaced have ended the packets of their time, and the new ones
// those since, by a number that counts from then.
func TestRulesThatAStepReplaces(t *testing.T) {
	t.Parallel()
	n := lossyFirst()
	n.Nodes[1].Firewall = []topo.Rule{{Name: "first", Hook: topo.Forward, Action: topo.DropPacket, Match: topo.Match{Flags: topo.SYN, Nth: 1}}}
	lab := open(t, n)
	if _, err := lab.Connect(t.Context(), spec.Connect{From: "client", Target: target("server", 7), As: "kept"}); err != nil {
		t.Fatal(err)
	}
	rules := []topo.Rule{
		{Name: "second", Hook: topo.Forward, Action: topo.DropPacket, Match: topo.Match{From: "client", Nth: 2}},
		{Name: "first", Hook: topo.Forward, Action: topo.DropPacket, Match: topo.Match{From: "client"}},
	}
	if _, err := lab.Set(spec.Set{Node: "fw", Firewall: &rules}); err != nil {
		t.Fatal(err)
	}
	o, err := lab.Exchange(t.Context(), spec.Exchange{Connection: "kept", Send: "hello", Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, j := range append(o.Earlier, o.Journeys...) {
		if d := j.Fate.Drop; j.Sender == "client" && d.Node != "" {
			got = append(got, d.RuleText())
		}
	}
	if len(got) < 3 || !slices.Equal(got[:3], []string{"first", "first", "second"}) {
		t.Errorf("the client's packets died by %q, want the SYN by the first rule, as the data, and the data again by the second", got)
	}
}
