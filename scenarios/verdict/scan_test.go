package verdict

import (
	"net/netip"
	"strings"
	"testing"

	"testbed/agents"
	"testbed/observe"
	"testbed/scenarios/spec"
)

// scanned is a scan of which 22 is open, 80 closed, 443 rejected and 5432 silent.
func scanned() *Observation {
	rejected := observe.Drop{Node: "fw", Cause: observe.ByRule, Rule: "no-web", Answer: "admin-prohibited"}
	silent := observe.Drop{Node: "fw", Cause: observe.ByRule, Rule: "hide-db"}
	port := func(n uint16, s agents.PortState, a agents.Answer, by string, drops ...observe.Drop) ScannedPort {
		return ScannedPort{Port: agents.Port{Number: n, State: s, Answer: a, Probes: max(1, len(drops))}, By: by, Drops: drops}
	}
	o := &Observation{Kind: Scan, Ports: []ScannedPort{
		port(22, agents.PortOpen, agents.AnswerSynAck, "server"),
		port(80, agents.PortClosed, agents.AnswerReset, "server"),
		port(443, agents.PortFiltered, agents.AnswerICMP, "fw", rejected),
		port(5432, agents.PortFiltered, agents.NoAnswer, "", silent, silent),
	}}
	o.Ports[2].Type, o.Ports[2].Code, o.Ports[2].From = 3, 13, netip.MustParseAddr("198.18.0.1")
	return o
}

func TestScannedPorts(t *testing.T) {
	all := &spec.Expect{Open: []uint16{22}, Closed: []uint16{80}, Filtered: []uint16{5432, 443}}
	for name, c := range map[string]struct {
		expect *spec.Expect
		change func(*Observation)
		wrong  string // the note of the check that fails, empty if none does
	}{
		"as expected":       {expect: all},
		"some states":       {expect: &spec.Expect{Open: []uint16{22}}},
		"nothing expected":  {},
		"one state":         {expect: &spec.Expect{Closed: []uint16{80, 22}}, wrong: "expected closed 22, 80, observed 80: 22 is open: SYN-ACK from server"},
		"none":              {expect: &spec.Expect{Open: []uint16{}}, wrong: "expected open none, observed 22: 22 is open: SYN-ACK from server"},
		"rejected":          {expect: &spec.Expect{Filtered: []uint16{5432}}, wrong: "expected filtered 5432, observed 443, 5432: 443 is filtered: ICMP type 3 code 13 from fw, by rule no-web (admin-prohibited)"},
		"silent":            {expect: &spec.Expect{Filtered: []uint16{443}}, wrong: "5432 is filtered: no answer to 2 SYNs: dropped at fw by rule hide-db"},
		"dropped":           {expect: &spec.Expect{Dropped: &spec.Dropped{Node: "fw", Rule: "hide-db"}}},
		"dropped elsewhere": {expect: &spec.Expect{Dropped: &spec.Dropped{Node: "server"}}, wrong: "nothing was dropped at server, but at fw by rule no-web: 1 packet; at fw by rule hide-db: 2 packets"},
		"not sent": {change: func(o *Observation) {
			o.Ports[0].Probes, o.Ports[0].Answer, o.Ports[0].Errno = 0, agents.NoAnswer, "EPERM"
		},
			wrong: "port 22 was not probed: no SYN could be sent: EPERM"},
		"out of time": {expect: all, change: func(o *Observation) {
			o.Ports[0] = ScannedPort{Port: agents.Port{Number: 22, Answer: agents.NoAnswer}}
		}, wrong: "expected open 22, observed none: 22 is not probed: the step's own timeout passed first"},
	} {
		t.Run(name, func(t *testing.T) {
			o := scanned()
			if c.change != nil {
				c.change(o)
			}
			v := Judge(&spec.Step{Expect: c.expect}, o)
			if v.OK != (c.wrong == "") {
				t.Fatalf("ok %t: %+v", v.OK, v.Checks)
			}
			for _, x := range v.Checks {
				if !x.OK && !strings.Contains(x.Note, c.wrong) {
					t.Errorf("%s: %q, want %q", x.Key, x.Note, c.wrong)
				}
			}
			if len(v.Checks) == 0 {
				t.Error("nothing was checked")
			}
		})
	}
}
