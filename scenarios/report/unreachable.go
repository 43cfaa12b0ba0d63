package report

import (
	"fmt"
	"time"

	"testbed/observe"
)

// arpGivesUp is less than what the kernel needs to find that no neighbour
// answers (three probes a second apart, arp(7) mcast_solicit), and more than
// what any local decision takes.
const arpGivesUp = 500 * time.Millisecond

// unreachable tells who said that there is no way, and why.
func (e *evidence) unreachable(what string) string {
	if a, ok := e.answered(); ok {
		return paragraph(e.unreachableBy(a), e.before(a), seenBy(e.Observation))
	}
	if len(e.syns) > 0 {
		return paragraph(account(e.syns, "SYN", "to "+e.target, e.server)+".",
			fmt.Sprintf("connect() failed after %s with %s; the ICMP error that says so was not seen.", short(e.Elapsed), errnoOf(e.Observation)), seenBy(e.Observation))
	}
	return paragraph(e.noWayOut(what), seenBy(e.Observation))
}

// unreachableBy is an ICMP error from a node on the path, or from the target.
func (e *evidence) unreachableBy(a answer) string {
	node := a.node
	if node == "" {
		node = "a router on the path"
	}
	text := fmt.Sprintf("The attempt to reach %s failed after %s with %s: %s answered the SYN with %s%s.",
		e.target, short(e.Elapsed), errnoOf(e.Observation), node, a.what, because(a))
	if a.node == e.Target && a.node != "" {
		return text
	}
	if a.known && a.drop.Cause == observe.ByRule {
		return text + fmt.Sprintf(" A firewall says so, not the network: the SYN never reached %s, which may well be up.", e.server)
	}
	return text + fmt.Sprintf(" The SYN never reached %s.", e.server)
}

// because says why a node turned a packet away.
func because(a answer) string {
	if !a.known {
		return ""
	}
	switch a.drop.Cause {
	case observe.ByRule:
		return ", as its rule " + inline(a.drop.RuleText(), maxField) + " tells it to"
	case observe.ByUnreachable:
		return `, as its route to that address is of kind "unreachable"`
	case observe.ByProhibit:
		return `, as its route to that address is of kind "prohibit"`
	case observe.ByNoRoute:
		return ", as it has no route to that address"
	case observe.ByNoNeighbour:
		return ", as nobody on the last link answers for that address (ARP or neighbour discovery failed)"
	case observe.ByTTL:
		return ", as the hop limit ran out there, which is what a routing loop looks like"
	}
	return ""
}

// noWayOut is an attempt that failed without a packet on any link.
func (e *evidence) noWayOut(what string) string {
	head := fmt.Sprintf("connect() to %s failed after %s with %s, and no SYN left %s", e.target, short(e.Elapsed), errnoOf(e.Observation), e.client)
	if r := e.localRule(); r != nil {
		return fmt.Sprintf("%s: rule %s of its own firewall rejected it.", head, inline(r.Rule, maxField))
	}
	switch {
	case what == "network":
		return head + ": it has no route to that address, or the interface of that route is down."
	case e.Elapsed >= arpGivesUp:
		return head + ": nobody on its link answers for the address of the next hop (ARP or neighbour discovery failed)."
	}
	return head + `: its own route to that address is of kind "unreachable".`
}

// denied tells of EACCES and EPERM: a policy, here or on the path.
func (e *evidence) denied() string {
	if a, ok := e.answered(); ok {
		return paragraph(e.unreachableBy(a), seenBy(e.Observation))
	}
	head := fmt.Sprintf("connect() to %s failed after %s with %s", e.target, short(e.Elapsed), errnoOf(e.Observation))
	if len(e.syns) > 0 {
		return paragraph(head+".", account(e.syns, "SYN", "", e.server)+".", seenBy(e.Observation))
	}
	head += fmt.Sprintf(", and no SYN left %s: ", e.client)
	if r := e.localRule(); r != nil {
		return paragraph(head+"rule "+inline(r.Rule, maxField)+" of its own firewall forbids it.", seenBy(e.Observation))
	}
	if errnoOf(e.Observation) == "EPERM" {
		return paragraph(head+"a local policy, such as its own firewall, forbids it.", seenBy(e.Observation))
	}
	return paragraph(head+`its own route to that address is of kind "prohibit".`, seenBy(e.Observation))
}

// otherError tells of any other errno.
func (e *evidence) otherError() string {
	head := fmt.Sprintf("The attempt to reach %s failed after %s", e.target, short(e.Elapsed))
	if e.Errno != "" {
		head += " with " + inline(e.Errno, maxField)
	}
	switch a, ok := e.answered(); {
	case ok && a.icmp:
		return paragraph(e.unreachableBy(a), seenBy(e.Observation))
	case e.Errno == "EINVAL" && len(e.Journeys) == 0:
		return paragraph(head+fmt.Sprintf(`: its own route to that address is of kind "blackhole", and no packet left %s.`, e.client), seenBy(e.Observation))
	}
	return paragraph(head+e.detail()+".", seenBy(e.Observation))
}

// detail is what the agent says, as the rest of a sentence.
func (e *evidence) detail() string {
	if e.Detail == "" {
		return ""
	}
	return ": " + inline(e.Detail, maxField)
}
