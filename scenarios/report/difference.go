package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"testbed/agents"
	"testbed/netem"
	"testbed/observe"
	"testbed/scenarios/verdict"
)

// telling lists the expectations whose failure explains most, best first.
var telling = []string{"outcome", "error", "status", "exit", "connected_to", "attempts", "resolve_time", "queries", "connect_time", "accept_time", "tls_time", "first_byte_time", "elapsed", "stalled", "throughput", "time_wait", "fin_wait_2", "dropped"}

// difference says what was expected and, as far as the evidence goes, why it
// came otherwise. It is empty for a step that passed.
func (e *evidence) difference() string {
	c := e.failed()
	switch {
	case c == nil && e.verdict.OK:
		return ""
	case c == nil:
		return "Without an expectation of its own the step had to succeed."
	}
	expected := inline(c.Expected, maxField)
	if c.Tolerance != "" {
		expected += " " + inline(c.Tolerance, maxField)
	}
	switch c.Key {
	case "outcome", "error":
		return fmt.Sprintf("Expected %s, got %s%s.", expected, inline(c.Observed, maxField), e.reasonFor(c))
	}
	return fmt.Sprintf("Expected %s %s, observed %s%s.", inline(c.Key, maxField), expected, inline(c.Observed, maxField), e.reasonFor(c))
}

// failed is the failed check that tells most, nil if all passed.
func (e *evidence) failed() *verdict.Check {
	var best *verdict.Check
	rank := func(c *verdict.Check) int {
		if i := slices.Index(telling, c.Key); i >= 0 {
			return i
		}
		return len(telling)
	}
	for i := range e.verdict.Checks {
		c := &e.verdict.Checks[i]
		if !c.OK && (best == nil || rank(c) < rank(best)) {
			best = c
		}
	}
	return best
}

func (e *evidence) reasonFor(c *verdict.Check) string {
	reason := ""
	switch c.Key {
	case "connect_time", "accept_time", "tls_time", "first_byte_time":
		reason = e.delayReason()
	case "elapsed":
		if reason = e.cause(); reason == "" {
			reason = e.delayReason()
		}
	case "outcome", "error":
		reason = e.outcomeReason()
	default:
		reason = e.cause()
	}
	if reason == "" {
		reason = noteReason(c.Note)
	}
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// noteReason is what a check's note says beyond what was expected and observed.
func noteReason(note string) string {
	note = strings.TrimSuffix(inline(note, maxField), ".")
	if !strings.HasPrefix(note, "expected ") {
		return note
	}
	_, reason, _ := strings.Cut(note, ": ")
	return reason
}

// outcomeReason explains an unexpected outcome in a clause.
func (e *evidence) outcomeReason() string {
	if r := e.cause(); r != "" {
		return r
	}
	switch e.Outcome {
	case agents.Connected, agents.Answered:
		if e.ruleAt(func(string) bool { return true }) == nil {
			return "nothing stopped it, and no rule that drops or rejects matched any packet"
		}
	case agents.Refused:
		if a, ok := e.answered(); ok && a.node == e.Target && !a.icmp {
			return "nothing listens on " + e.target
		}
	case agents.NetworkUnreachable:
		if len(e.syns) == 0 {
			return e.client + " has no usable route to that address"
		}
	}
	return ""
}

// cause names what stopped the packets, in the active voice; empty if nothing
// is known to have stopped them.
func (e *evidence) cause() string {
	if e.halfOpen() && e.Outcome == agents.Connected {
		return endingOf(e.finalACK().Fate.Drop).active("the final ACK")
	}
	for _, group := range []struct {
		js   []*observe.Journey
		noun string
	}{{e.syns, "SYN"}, {e.synAcks, "SYN-ACK"}, {e.sent, "data segment"}, {e.answers, "answer segment"}, {e.resetsBack, "RST"}, {e.errors, "ICMP error"}} {
		d, n, ok := worst(group.js)
		if !ok || d.Cause == observe.Unknown || d.Cause == "" {
			continue
		}
		object := allOf(n, group.noun)
		if n < len(group.js) {
			object = fmt.Sprintf("%d of %s", n, count(len(group.js), group.noun))
		}
		return endingOf(d).active(object)
	}
	return ""
}

// delayReason finds what made a handshake slower or faster than its path.
func (e *evidence) delayReason() string {
	h, ok := e.completed()
	if !ok {
		return e.cause()
	}
	for _, lost := range []string{lossesBefore(e.syns, h.syn, "SYN"), lossesBefore(e.synAcks, h.synAck, "SYN-ACK")} {
		if lost != "" {
			return lost
		}
	}
	if r := e.oddHop(h); r != "" {
		return r
	}
	if host := h.synAck.SentAt().Sub(h.received); host >= 2*time.Millisecond {
		return fmt.Sprintf("%s needed %s to answer the SYN", e.server, short(host))
	}
	rtt, sending := e.Path.RTT(), e.sendingOf(h)
	if rtt == 0 && sending == 0 {
		return ""
	}
	text := "the handshake itself took what the links are configured for, an RTT of " + short(rtt)
	if sending > 0 {
		text += fmt.Sprintf(" and %s to send both packets at the links' rates", short(sending))
	}
	return text
}

// sendingOf is how long the links need to send both packets of a handshake at
// their rates.
func (e *evidence) sendingOf(h handshake) (d time.Duration) {
	for _, j := range []*observe.Journey{h.syn, h.synAck} {
		for _, hop := range e.hopsOf(j) {
			d += e.sending(hop, j)
		}
	}
	return d
}

// sending is how long a link needs to send a packet at its rate, none without a
// rate or where the topology is not known.
func (e *evidence) sending(h hop, j *observe.Journey) time.Duration {
	if e.topology == nil {
		return 0
	}
	i := e.topology.LinkIndex(h.from, h.to)
	if i < 0 {
		return 0
	}
	const etherHeader = 14
	l := &e.topology.Links[i]
	return netem.Serialization(l.Toward[slices.Index(l.Ends[:], h.to)].Rate, etherHeader+j.Packet().Length)
}

// oddHop is the link whose delay differs most from its configuration, if any
// differs by 2 ms or more.
func (e *evidence) oddHop(h handshake) string {
	var worst hop
	var by, configured, sending time.Duration
	packet := ""
	for _, leg := range []struct {
		j    *observe.Journey
		name string
	}{{h.syn, "SYN"}, {h.synAck, "SYN-ACK"}} {
		for _, hop := range e.hopsOf(leg.j) {
			want, ok := e.configured(hop)
			turn := e.sending(hop, leg.j)
			if diff := (hop.took - want - turn).Abs(); ok && diff > by {
				worst, by, configured, sending, packet = hop, diff, want, turn, leg.name
			}
		}
	}
	if by < 2*time.Millisecond {
		return ""
	}
	text := fmt.Sprintf("the %s took %s from %s to %s, where %s is configured", packet, short(worst.took), worst.from, worst.to, short(configured))
	if sending > 0 {
		text += fmt.Sprintf(" and sending it at the link's rate takes %s", short(sending))
	}
	return text
}
