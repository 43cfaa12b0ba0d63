package verdict

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"testbed/agents"
	"testbed/observe"
)

// scan adds the checks of a scan's ports. Without any, it had to probe them all.
func (j *judge) scan() {
	if j.o.Kind != Scan {
		return
	}
	named := false
	for _, x := range []struct {
		state agents.PortState
		want  []uint16
	}{{agents.PortOpen, j.e.Open}, {agents.PortClosed, j.e.Closed}, {agents.PortFiltered, j.e.Filtered}} {
		if x.want != nil {
			named = true
			j.add(j.ports(x.state, x.want))
		}
	}
	if !named {
		j.add(j.probed())
	}
}

// ports compares the ports of one state.
func (j *judge) ports(state agents.PortState, want []uint16) Check {
	got := j.o.InState(state)
	c := Check{Key: string(state), Expected: portsText(want), Observed: portsText(got), OK: true}
	var wrong []string
	expected, missing := map[uint16]bool{}, map[uint16]bool{}
	for _, port := range want {
		expected[port], missing[port] = true, true
	}
	for i := range j.o.Ports {
		p := &j.o.Ports[i]
		if delete(missing, p.Number); expected[p.Number] != (p.State == state) {
			wrong = append(wrong, fmt.Sprintf("%d is %s: %s", p.Number, p.state(), p.Reason()))
		}
	}
	for _, port := range slices.Sorted(maps.Keys(missing)) {
		wrong = append(wrong, fmt.Sprintf("%d was not scanned", port))
	}
	if len(wrong) == 0 {
		return c
	}
	const most = 5
	if n := len(wrong) - most; n > 0 {
		wrong = append(wrong[:most], fmt.Sprintf("%d ports more", n))
	}
	c.OK = false
	c.Note = j.withUnseen(fmt.Sprintf("expected %s %s, observed %s: %s", c.Key, c.Expected, c.Observed, strings.Join(wrong, "; ")))
	return c
}

// probed is met when a SYN was sent to every port.
func (j *judge) probed() Check {
	c := Check{Key: "outcome", Expected: "done", Observed: "done", OK: true}
	for i := range j.o.Ports {
		if p := &j.o.Ports[i]; p.Probes == 0 {
			c.OK, c.Observed = false, "failed"
			c.Note = fmt.Sprintf("port %d was not probed: %s", p.Number, p.Reason())
			break
		}
	}
	return c
}

// InState are a scan's ports in a state.
func (o *Observation) InState(s agents.PortState) (ports []uint16) {
	for i := range o.Ports {
		if o.Ports[i].State == s {
			ports = append(ports, o.Ports[i].Number)
		}
	}
	return ports
}

func portsText(ports []uint16) string {
	if len(ports) == 0 {
		return "none"
	}
	return agents.FormatPorts(ports)
}

func (p *ScannedPort) state() string {
	if p.State == "" {
		return "not probed"
	}
	return string(p.State)
}

// Reason says in words why a port is in its state: what answered, or where the
// SYNs or their answers died.
func (p *ScannedPort) Reason() string {
	by := ""
	switch {
	case p.By != "":
		by = " from " + p.By
	case p.From.IsValid():
		by = " from " + p.From.String()
	}
	switch p.Answer {
	case agents.AnswerSynAck:
		return "SYN-ACK" + by
	case agents.AnswerReset:
		return "RST" + by + p.rule()
	case agents.AnswerICMP:
		name := "ICMP"
		if p.From.Is6() {
			name = "ICMPv6"
		}
		return fmt.Sprintf("%s type %d code %d%s%s", name, p.Type, p.Code, by, p.rule())
	}
	switch {
	case p.Errno != "":
		return "no SYN could be sent: " + p.Errno
	case p.Probes == 0:
		return "the step's own timeout passed first"
	}
	return "no answer to " + plural(p.Probes, "SYN") + p.lost()
}

// rule is the firewall rule that answered.
func (p *ScannedPort) rule() string {
	for _, d := range p.Drops {
		if d.Rule != "" && d.Answer != "" {
			return fmt.Sprintf(", by rule %s (%s)", d.RuleText(), d.Answer)
		}
	}
	return ""
}

// lost is where the segments died that are missing, each place once.
func (p *ScannedPort) lost() string {
	var parts []string
	for _, d := range p.Drops {
		if s := placeText(d); !slices.Contains(parts, s) {
			parts = append(parts, s)
		}
	}
	return prefixed(": dropped ", strings.Join(parts, ", "))
}

// placeText is where and why a packet died.
func placeText(d observe.Drop) string {
	where := "at " + d.Node
	if d.Node == "" {
		where = "on " + d.Link[0] + " – " + d.Link[1]
	}
	switch {
	case d.Rule != "":
		return where + " by rule " + d.RuleText()
	case d.Fault != "" && d.Cause == observe.Corrupted:
		return where + " by " + string(d.Cause) + " by fault " + d.Fault
	case d.Fault != "":
		return where + " by fault " + d.Fault
	}
	return where + " by " + string(d.Cause)
}
