package report

import (
	"fmt"
	"slices"
	"strings"

	"testbed/agents"
	"testbed/observe"
	"testbed/scenarios/verdict"
)

func isPortState(key string) bool { return slices.Contains(agents.PortStates, agents.PortState(key)) }

// portsByState is each state that ports are in, with these: "open 22, 80".
func portsByState(o *verdict.Observation) (items []string) {
	for _, s := range agents.PortStates {
		if ports := o.InState(s); len(ports) > 0 {
			items = append(items, cut(string(s)+" "+agents.FormatPorts(ports), maxField))
		}
	}
	return items
}

// portGroup are ports that are in a state for one reason.
type portGroup struct {
	state, reason string
	ports         []uint16
}

// portGroups are in the order of states.
func portGroups(o *verdict.Observation) (groups []portGroup) {
	for i := range o.Ports {
		p := &o.Ports[i]
		state, reason := string(p.State), p.Reason()
		if state == "" {
			state = "not probed"
		}
		at := slices.IndexFunc(groups, func(g portGroup) bool { return g.state == state && g.reason == reason })
		if at < 0 {
			at, groups = len(groups), append(groups, portGroup{state: state, reason: reason})
		}
		groups[at].ports = append(groups[at].ports, p.Number)
	}
	slices.SortStableFunc(groups, func(a, b portGroup) int { return orderOfState(a.state) - orderOfState(b.state) })
	return groups
}

func orderOfState(s string) int {
	if i := slices.Index(agents.PortStates, agents.PortState(s)); i >= 0 {
		return i
	}
	return len(agents.PortStates)
}

// mostGroups is how many lines of ports are shown.
const mostGroups = 20

// ports lists a scan's ports with the reasons for their states.
func (t *text) ports(o *verdict.Observation) {
	groups := portGroups(o)
	wide := 0
	for _, g := range groups {
		wide = max(wide, min(width(agents.FormatPorts(g.ports)), 30))
	}
	for i, g := range groups {
		if i == mostGroups {
			t.line(storyIndent + t.dim(fmt.Sprintf("… and ports for %s more", count(len(groups)-i, "reason"))))
			return
		}
		ports, reason := agents.FormatPorts(g.ports), inline(g.reason, maxField)
		head := fmt.Sprintf("%-10s  %s%s  ", g.state, ports, strings.Repeat(" ", max(0, wide-width(ports))))
		if s := storyIndent + head + reason; width(s) <= t.width() {
			t.line(s)
			continue
		}
		for k, l := range t.wrap(g.state+"  "+ports+"  "+reason, t.width()-len(storyIndent)-2) {
			t.line(storyIndent + strings.Repeat(" ", min(2*k, 2)) + l)
		}
	}
}

// scanned tells what a scan did and found.
func (e *evidence) scanned() string {
	probes := 0
	for i := range e.Ports {
		probes += e.Ports[i].Probes
	}
	var found []string
	for _, s := range agents.PortStates {
		if n := len(e.InState(s)); n > 0 {
			found = append(found, fmt.Sprintf("%d %s", n, s))
		}
	}
	text := fmt.Sprintf("%s sent %s to %s of %s in %s", e.client, count(probes, "SYN"), count(len(e.Ports), "port"), e.scannedHost(), short(e.Elapsed))
	if len(found) > 0 {
		text += ": " + list(found)
	}
	return paragraph(text+".", e.openPorts(), e.filteredPorts(), e.scanEnded())
}

func (e *evidence) scannedHost() string {
	if e.Target != "" {
		return inline(e.Target, maxField)
	}
	return e.Remote.Addr().String()
}

// openPorts says why no connection came about.
func (e *evidence) openPorts() string {
	if len(e.InState(agents.PortOpen)) == 0 {
		return ""
	}
	return fmt.Sprintf("An open port answered with a SYN-ACK; %s's kernel, which knows of no such connection, resets it.", e.client)
}

// filteredPorts says what makes a port look filtered.
func (e *evidence) filteredPorts() string {
	var parts []string
	silent := false
	for _, g := range portGroups(e.Observation) {
		if g.state == string(agents.PortFiltered) && len(parts) < 5 {
			parts = append(parts, fmt.Sprintf("%s (%s)", agents.FormatPorts(g.ports), inline(g.reason, maxField)))
			silent = silent || strings.HasPrefix(g.reason, "no answer")
		}
	}
	if len(parts) == 0 {
		return ""
	}
	text := "Filtered: " + list(parts) + "."
	if silent {
		text += " Silence costs a scanner its time: it can't tell a dropped SYN from a slow answer."
	}
	return text
}

func (e *evidence) scanEnded() string {
	if !e.Deadline {
		return ""
	}
	return fmt.Sprintf("The step's own timeout ended the scan after %s.", short(e.Elapsed))
}

func portDocuments(o *verdict.Observation) (out []PortDocument) {
	for i := range o.Ports {
		p := &o.Ports[i]
		d := PortDocument{
			Port: p.Number, State: string(p.State), Answer: string(p.Answer), By: p.By,
			Probes: p.Probes, AfterNS: int64(p.After), Errno: p.Errno, Reason: p.Reason(),
		}
		if p.Answer == agents.AnswerICMP {
			d.ICMPType, d.ICMPCode, d.From = &p.Type, &p.Code, p.From.String()
		}
		for _, x := range p.Drops {
			d.Drops = append(d.Drops, fateDocument(observe.Fate{Drop: x}))
		}
		out = append(out, d)
	}
	return out
}
