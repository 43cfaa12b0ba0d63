package report

import (
	"fmt"

	"testbed/observe"
	"testbed/topo"
)

// answer is who ended a connection attempt, and how.
type answer struct {
	// node sent it; empty when not known.
	node string
	// what is "a RST" or an ICMP error's name.
	what string
	icmp bool
	// made is the fault of a link that made the RST, nil if a node sent it.
	made *observe.Strike
	// drop is what the node did with the packet that it answered, if known.
	drop  observe.Drop
	known bool
}

// answered finds the ICMP error or the RST that ended the attempt.
func (e *evidence) answered() (answer, bool) {
	var a answer
	switch {
	case len(e.errors) > 0:
		j := arrivedFirst(e.errors)
		a = answer{node: e.places.origin(j), what: icmpName(j.Packet()), icmp: true}
	case len(e.resetsBack) > 0:
		j := arrivedFirst(e.resetsBack)
		a = answer{node: e.places.origin(j), what: "a RST", made: j.Made}
	}
	if d, ok := e.deathOfSYN(a.node); ok {
		a.drop, a.known = d, true
		if a.node == "" {
			a.node = d.Node
		}
		if a.what == "" && d.Answer != "" {
			a.what, a.icmp = rejectName(d.Answer)
		}
	}
	return a, a.what != ""
}

// arrivedFirst is the first packet that arrived, or the first if none did.
func arrivedFirst(js []*observe.Journey) *observe.Journey {
	if in := delivered(js); len(in) > 0 {
		return in[0]
	}
	return js[0]
}

// deathOfSYN is how the SYNs ended at a node; an empty name means any node.
func (e *evidence) deathOfSYN(node string) (observe.Drop, bool) {
	for _, j := range e.syns {
		d := j.Fate.Drop
		if j.Fate.Delivered || j.Fate.Pending || d.Node == "" {
			continue
		}
		if node == "" || d.Node == node {
			return d, true
		}
	}
	return observe.Drop{}, false
}

// rejectName names the answer of a rejecting rule.
func rejectName(with string) (name string, icmp bool) {
	switch topo.RejectWith(with) {
	case topo.TCPReset:
		return "a RST", false
	case topo.PortUnreachable:
		return "ICMP port unreachable", true
	case topo.HostUnreachable:
		return "ICMP host unreachable", true
	case topo.NetUnreachable:
		return "ICMP network unreachable", true
	case topo.AdminProhibited:
		return "ICMP communication administratively prohibited", true
	}
	return "ICMP " + inline(with, maxField), true
}

// refused tells a closed port from a firewall that rejects.
func (e *evidence) refused() string {
	a, ok := e.answered()
	switch {
	case ok && a.made != nil:
		return e.refusedByLink(a)
	case ok && a.known && a.drop.Cause == observe.ByRule:
		return e.refusedByRule(a)
	case ok && a.node == e.Target && a.node != "" && !a.icmp:
		return paragraph(fmt.Sprintf("%s refused the connection after %s: %s itself answered the SYN with a RST.", e.target, short(e.Elapsed), e.server), e.before(a),
			e.ttlTells(), e.closedPort(), seenBy(e.Observation))
	case ok && a.node != "":
		return e.refusedOnPath(a)
	}
	return e.refusedUnknown()
}

func (e *evidence) refusedByRule(a answer) string {
	rule := "rule " + inline(a.drop.RuleText(), maxField) + " at " + a.node
	how := "answered with " + a.what
	if !a.icmp && a.node != e.Target {
		how += " in " + e.server + "'s name"
	}
	who := "not by " + e.server
	if a.node == e.Target {
		who = "by its firewall"
	}
	return paragraph(
		fmt.Sprintf("The connection to %s was refused after %s, but %s: %s discarded the SYN and %s.", e.target, short(e.Elapsed), who, rule, how),
		e.before(a), e.ttlTells(), e.refusalMeans(a), seenBy(e.Observation))
}

// before tells of the SYNs that died on their way before the one that was
// answered.
func (e *evidence) before(a answer) string {
	var lost []*observe.Journey
	for _, j := range e.syns {
		if !j.Fate.Delivered && !j.Fate.Pending && j.Fate.Drop != a.drop {
			lost = append(lost, j)
		}
	}
	d, n, ok := worst(lost)
	if !ok || d.Cause == observe.Unknown || d.Cause == "" {
		return ""
	}
	return fmt.Sprintf("Before that, %s %s.", count(n, "SYN"), fate{n: n, drop: d}.predicate(""))
}

// refusalMeans says what cannot be concluded from a firewall's refusal.
func (e *evidence) refusalMeans(a answer) string {
	text := fmt.Sprintf("The SYN never reached %s, whose port may well be open", e.server)
	if a.node == e.Target {
		text = "Something may well listen on that port"
	}
	if a.icmp {
		return text + "; the kernel reports this ICMP error as ECONNREFUSED too, so that only the packets tell it from a closed port."
	}
	return text + fmt.Sprintf("; to %s this looks exactly like a closed port.", e.client)
}

func (e *evidence) refusedOnPath(a answer) string {
	how := "sent " + a.what
	if !a.icmp {
		how += " in " + e.server + "'s name"
	}
	if a.node == e.Target {
		return paragraph(fmt.Sprintf("%s refused the connection after %s: it is up and answered the SYN with %s, as a firewall that rejects does; a closed TCP port would answer with a RST.", e.target, short(e.Elapsed), a.what),
			seenBy(e.Observation))
	}
	return paragraph(
		fmt.Sprintf("The connection to %s was refused after %s, but not by %s: %s %s.", e.target, short(e.Elapsed), e.server, a.node, how),
		e.refusalMeans(a), seenBy(e.Observation))
}

// refusedUnknown is a refusal of which no packet was seen.
func (e *evidence) refusedUnknown() string {
	head := fmt.Sprintf("The connection to %s was refused after %s.", e.target, short(e.Elapsed))
	if r := e.localRule(); r != nil && len(e.syns) == 0 {
		return paragraph(head, fmt.Sprintf("No SYN left %s: its own firewall rejected it with rule %s.", e.client, inline(r.Rule, maxField)), seenBy(e.Observation))
	}
	if r := e.rejecting(); r != nil {
		return paragraph(head, fmt.Sprintf("Rule %s at %s matched %s and rejects, so the refusal is the firewall's; whether %s would have answered is not known.",
			inline(r.Rule, maxField), inline(r.Node, maxField), count(int(r.Packets), "packet"), e.server), seenBy(e.Observation))
	}
	return paragraph(head, "Who refused was not seen: either the port is closed, or a firewall rejects.", seenBy(e.Observation))
}

// rejecting is a rejecting rule that matched, nil if there is none.
func (e *evidence) rejecting() *observe.RuleCount {
	r := e.ruleAt(func(string) bool { return true })
	if r != nil && r.Action == topo.Reject {
		return r
	}
	return nil
}
