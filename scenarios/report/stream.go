package report

import (
	"fmt"
	"time"

	"testbed/agents"
	"testbed/observe"
	"testbed/scenarios/spec"
	"testbed/topo"
)

// exchange tells how writing and reading on an open connection went.
func (e *evidence) exchange() string {
	switch e.Outcome {
	case agents.Answered:
		return paragraph(e.exchanged(), e.resent())
	case agents.TimedOut:
		return paragraph(e.unanswered(), e.forgotten(), e.waited(), e.untold())
	case agents.Reset:
		return e.reset()
	case agents.Sent:
		return paragraph(e.onlySent(), e.resent())
	case agents.Closed:
		if e.step != nil && e.step.Exchange != nil && e.step.Exchange.Read == spec.ReadEnd {
			return e.readToEnd()
		}
		return e.closedEarly()
	case "":
		return ""
	}
	head := fmt.Sprintf("The exchange with %s failed after %s", e.target, short(e.Elapsed))
	if e.Errno != "" {
		head += " with " + inline(e.Errno, maxField)
	}
	return paragraph(head+e.detail()+".", seenOnOpen(e.Observation))
}

// said is what the client wrote, quoted.
func (e *evidence) said() string {
	if e.step == nil || e.step.Exchange == nil || e.step.Exchange.Send == "" {
		return "what it was sent"
	}
	return quote(e.step.Exchange.Send)
}

func (e *evidence) exchanged() string {
	if e.step != nil && e.step.Exchange != nil && e.step.Exchange.Send == "" && e.Answer != "" {
		return fmt.Sprintf("%s read %s from %s after %s.", e.client, quote(e.Answer), e.target, short(e.Elapsed))
	}
	with := ""
	if e.Answer != "" {
		with = " with " + quote(e.Answer)
	}
	return fmt.Sprintf("Within %s %s answered %s%s.", short(e.Elapsed), e.target, e.said(), with)
}

// onlySent tells of a program that does not read what comes.
func (e *evidence) onlySent() string {
	return fmt.Sprintf("%s wrote %s and read nothing: what %s answers waits in %s's receive buffer.", e.client, e.said(), e.target, e.client)
}

// readToEnd tells of all that came before the other end's FIN.
func (e *evidence) readToEnd() string {
	got := "without having sent anything"
	if e.Answer != "" {
		got = "after it had sent " + quote(e.Answer)
	}
	return fmt.Sprintf("%s closed its side of the connection with a FIN after %s, %s. A program reads end-of-file.", e.target, short(e.Elapsed), got)
}

// resent tells of data that was sent more than once.
func (e *evidence) resent() string {
	there, back := retransmitted(e.sent), retransmitted(e.answers)
	switch {
	case there+back == 0:
		return ""
	case back == 0:
		return fmt.Sprintf("%s had to send data again, %s%s.", e.client, times(there), e.dataLoss(e.sent))
	case there == 0:
		return fmt.Sprintf("%s had to send data again, %s%s.", e.server, times(back), e.dataLoss(e.answers))
	}
	return fmt.Sprintf("%s had to send data again, %s, and so had %s, %s.", e.client, times(there), e.server, times(back))
}

func (e *evidence) dataLoss(js []*observe.Journey) string {
	d, n, ok := worst(js)
	if !ok {
		return ""
	}
	return fmt.Sprintf(": %s %s", count(n, "segment"), fate{n: n, drop: d}.predicate(""))
}

func retransmitted(js []*observe.Journey) (n int) {
	for _, j := range js {
		if j.Retransmission {
			n++
		}
	}
	return n
}

// unanswered says where the data, or the answer to it, ended.
func (e *evidence) unanswered() string {
	switch {
	case len(e.sent) == 0:
		return fmt.Sprintf("%s did not answer %s; no data was seen to leave %s.", e.target, e.said(), e.client)
	case len(delivered(e.sent)) == 0:
		return e.dataDied()
	case len(e.answers) == 0:
		return fmt.Sprintf("%s received %s but sent no data back.", e.target, e.said())
	}
	if d, n, ok := worst(e.answers); ok && n == len(e.answers) {
		return fmt.Sprintf("%s received %s and answered, but %s of its answer %s.",
			e.target, e.said(), allOf(n, "segment"), fate{n: n, drop: d}.predicate(""))
	}
	return fmt.Sprintf("%s received %s and answered, but the answer was not complete in time.", e.target, e.said())
}

func (e *evidence) dataDied() string {
	text := fmt.Sprintf("%s wrote %s to %s", e.client, e.said(), e.target)
	n := len(e.sent)
	if n > 1 {
		over := e.sent[n-1].SentAt().Sub(e.sent[0].SentAt())
		text += fmt.Sprintf(" and sent it %s in %s", times(n), short(over))
	}
	return text + "; " + lowerFirst(account(e.sent, "segment", "", e.server)) + "."
}

// forgotten adds that a NAT no longer knows the connection, where that is why
// its packets die.
func (e *evidence) forgotten() string {
	d, _, ok := worst(e.sent)
	if !ok || d.Node == "" {
		return ""
	}
	n := e.node(d.Node)
	switch {
	case d.Cause == observe.ByNAT:
	case d.Cause == observe.ByRule && n != nil && n.NAT != nil && d.Or == "" && matchesInvalid(n, d.Rule):
	default:
		return ""
	}
	if n == nil || n.NAT == nil || n.NAT.Timeouts["tcp_established"] == 0 {
		return fmt.Sprintf("The NAT at %s has forgotten this connection and takes its segments for strays.", d.Node)
	}
	return fmt.Sprintf("The NAT at %s forgets idle connections after %s, so it no longer knows this one and takes its segments for strays.",
		d.Node, short(n.NAT.Timeouts["tcp_established"]))
}

func matchesInvalid(n *topo.Node, rule string) bool {
	for i := range n.Firewall {
		if n.Firewall[i].Name == rule {
			return n.Firewall[i].Match.State == "invalid"
		}
	}
	return false
}

func (e *evidence) waited() string {
	if e.Deadline || e.Errno == "" {
		return fmt.Sprintf("The step's own timeout ended the wait after %s.", short(e.Elapsed))
	}
	return fmt.Sprintf("The kernel gave the connection up after %s with %s.", short(e.Elapsed), e.Errno)
}

// untold says what an application makes of the silence.
func (e *evidence) untold() string {
	if !e.Deadline && e.Errno != "" {
		return seenOnOpen(e.Observation)
	}
	if len(e.errors)+len(e.resetsBack)+len(e.finsBack) > 0 {
		return ""
	}
	hangs := "hangs for as long as the server stays silent"
	if len(e.sent) > 0 && len(delivered(e.sent)) == 0 {
		hangs = "hangs until the kernel gives up, about 15 minutes with Linux's defaults (tcp_retries2)"
	}
	return fmt.Sprintf("Nothing told %s that anything is wrong: its connection is still ESTABLISHED, and an application without a timeout of its own %s.", e.client, hangs)
}

// reset tells who ended a connection with RST.
func (e *evidence) reset() string {
	head := fmt.Sprintf("The connection to %s was reset after %s", e.target, short(e.Elapsed))
	if len(e.resetsBack) == 0 {
		return paragraph(head+"; the RST itself was not seen.", seenOnOpen(e.Observation))
	}
	rst := e.resetsBack[0]
	from := e.places.origin(rst)
	if d, _, ok := worst(e.sent); ok && d.Cause == observe.ByRule && d.Answer != "" && (from == "" || from == d.Node) {
		return paragraph(fmt.Sprintf("%s, not by the server's program: rule %s at %s discarded its data and answered with a RST in %s's name.",
			head, inline(d.RuleText(), maxField), d.Node, e.server), seenOnOpen(e.Observation))
	}
	switch {
	case rst.Made != nil:
		head += ", not by " + e.server + ": " + e.madeReset(rst.Made) + "."
	case from == "":
		head += fmt.Sprintf(" by a RST that carries %s's address; which node sent it was not seen.", e.server)
	case from == e.Target:
		head += fmt.Sprintf(" by %s itself, %s: its program closed the connection hard, ended, or its kernel no longer knows it.", e.server, e.resetWhen(rst))
	default:
		head += fmt.Sprintf(", not by %s: %s sent the RST in its name, as a firewall or a middlebox does.", e.server, from)
	}
	return paragraph(head, e.ttlTells(), e.serviceGone(), seenOnOpen(e.Observation))
}

// resetWhen says what the RST followed.
func (e *evidence) resetWhen(rst *observe.Journey) string {
	var last *observe.Journey
	for _, j := range e.sent {
		if at, _ := arrival(j); j.Fate.Delivered && at.Before(rst.SentAt()) {
			last = j
		}
	}
	if last == nil {
		return "before any data reached it"
	}
	at, _ := arrival(last)
	if at.IsZero() {
		return "after data had reached it"
	}
	return short(max(rst.SentAt().Sub(at), time.Microsecond)) + " after data had reached it"
}

func (e *evidence) closedEarly() string {
	got := "before it had answered anything"
	if e.Answer != "" {
		got = "after " + quote(e.Answer)
	}
	return paragraph(fmt.Sprintf("%s closed the connection with a FIN after %s, %s.", e.target, short(e.Elapsed), got),
		"A program reads end-of-file.")
}

// close tells how a kept connection was ended.
func (e *evidence) close() string {
	if f := e.failure("Closing the connection to " + e.target); f != "" {
		return f
	}
	if e.step != nil && e.step.Close != nil && e.step.Close.Reset {
		if d, n, ok := worst(e.resetsThere); ok && n == len(e.resetsThere) {
			return fmt.Sprintf("%s reset the connection; %s, so that %s still holds it.", e.client, fate{n: n, drop: d}.named("RST"), e.server)
		}
		return fmt.Sprintf("%s reset the connection: a RST tells %s to forget it at once.", e.client, e.server)
	}
	text := fmt.Sprintf("%s closed its side of the connection with a FIN", e.client)
	fins := e.finsThere()
	half := e.step != nil && e.step.Close != nil && e.step.Close.Half
	switch {
	case len(fins) == 0 && len(e.resetsThere) > 0:
		return e.unread()
	case half:
		text += fmt.Sprintf(" (shutdown(2), SHUT_WR), which leaves the other half open: it still takes what %s sends", e.server)
	}
	if d, n, ok := worst(fins); ok && n == len(fins) {
		return fmt.Sprintf("%s; %s, so that %s does not know of it.", text, fate{n: n, drop: d}.named("FIN"), e.server)
	}
	if len(e.finsBack) > 0 {
		text += fmt.Sprintf(", and %s closed its own side", e.server)
	}
	return text + "."
}

// unread tells of a close that the kernel turned into a reset.
func (e *evidence) unread() string {
	return fmt.Sprintf("%s closed the connection while data was waiting that its program had not read, so its kernel sent a RST in place of a FIN (RFC 1122, section 4.2.2.13; RFC 2525, section 2.17): %s learns that not all of it has been taken.", e.client, e.server)
}

func (f fate) named(noun string) string { return allOf(f.n, noun) + " " + f.predicate("") }

func (e *evidence) finsThere() (out []*observe.Journey) {
	for _, j := range e.acks {
		if j.Packet().TCP.Flags&topo.FIN != 0 {
			out = append(out, j)
		}
	}
	return out
}

func lowerFirst(s string) string {
	if s == "" || len(s) > 1 && s[1] >= 'A' && s[1] <= 'Z' {
		return s
	}
	c := s[0]
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return string(c) + s[1:]
}
