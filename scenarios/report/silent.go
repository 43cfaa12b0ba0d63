package report

import (
	"fmt"
	"slices"
	"time"

	"testbed/observe"
)

// silent tells of an attempt that nobody answered.
func (e *evidence) silent() string {
	if e.ResolveTime != nil && len(e.Attempts) == 0 {
		return ""
	}
	return paragraph(e.silence(), e.schedule(), e.silenceMeans(), seenBy(e.Observation))
}

// silence says what became of the SYNs, and of the answers if there were any.
func (e *evidence) silence() string {
	toward := "to " + e.target
	switch {
	case len(e.syns) == 0:
		return e.noSYN()
	case len(e.synAcks) > 0:
		return e.answersLost()
	case e.unexplained():
		return paragraph(fmt.Sprintf("%s %s left %s and nothing came back; where %s ended is not known%s.",
			capital(allOf(len(e.syns), "SYN")), toward, e.client, itThey(len(e.syns)), e.lastSeen()), e.suspect())
	}
	text := account(e.syns, "SYN", toward, e.server)
	if lost := e.answerLost(); lost != "" {
		return text + "; " + lost + "."
	}
	if len(delivered(e.syns)) == len(e.syns) {
		return paragraph(text+fmt.Sprintf(", but %s did not answer.", e.server), e.suspect())
	}
	return text + "."
}

// answerLost tells of a RST or an ICMP error that did not reach the client.
func (e *evidence) answerLost() string {
	a, ok := e.answered()
	d, n, died := worst(append(slices.Clone(e.errors), e.resetsBack...))
	if !ok || !died {
		return ""
	}
	node := a.node
	if node == "" {
		node = "a node on the path"
	}
	return fmt.Sprintf("%s answered with %s, but that %s", node, a.what, fate{n: min(n, 1), drop: d}.predicate(""))
}

// suspect names the rule that may have swallowed what nobody saw die.
func (e *evidence) suspect() string {
	r := e.ruleAt(func(string) bool { return true })
	if r == nil {
		return ""
	}
	return fmt.Sprintf("Meanwhile rule %s at %s discarded %s.", inline(r.Rule, maxField), inline(r.Node, maxField), count(int(r.Packets), "packet"))
}

func itThey(n int) string {
	if n == 1 {
		return "it"
	}
	return "they"
}

// unexplained tells whether nothing is known of how the SYNs ended.
func (e *evidence) unexplained() bool {
	for _, f := range fatesOf(e.syns) {
		if f.arrived || f.pending || f.drop.Cause != observe.Unknown && f.drop.Cause != "" {
			return false
		}
	}
	return true
}

// lastSeen says how far the first SYN came.
func (e *evidence) lastSeen() string {
	s := e.syns[0].Last()
	at := e.places.node(s)
	switch {
	case at == "" || s.Sent && at == e.From:
		return ""
	case s.Sent:
		return fmt.Sprintf(" (%s sent the first one on)", at)
	}
	return fmt.Sprintf(" (the first one reached %s)", at)
}

// noSYN is an attempt of which no packet left the client.
func (e *evidence) noSYN() string {
	head := fmt.Sprintf("No SYN to %s was seen to leave %s", e.target, e.client)
	if r := e.localRule(); r != nil {
		return fmt.Sprintf("%s: rule %s of its own firewall discarded %s.", head, inline(r.Rule, maxField), count(int(r.Packets), "packet"))
	}
	if r := e.ruleAt(func(string) bool { return true }); r != nil {
		return fmt.Sprintf("The attempt to reach %s was not answered; rule %s at %s discarded %s.",
			e.target, inline(r.Rule, maxField), inline(r.Node, maxField), count(int(r.Packets), "packet"))
	}
	return head + ", and nothing came back."
}

// answersLost is an attempt whose SYN-ACKs did not arrive, or whose client did
// not take them.
func (e *evidence) answersLost() string {
	reached := account(e.syns, "SYN", "", e.target)
	d, n, ok := worst(e.synAcks)
	if !ok {
		return fmt.Sprintf("%s, which answered, but the answer came too late or was not taken.", reached)
	}
	what := fmt.Sprintf("%s %s", allOf(n, "SYN-ACK"), fate{n: n, drop: d}.predicate(""))
	if n < len(e.synAcks) {
		what = fmt.Sprintf("%d of the %d SYN-ACKs %s", n, len(e.synAcks), fate{n: n, drop: d}.predicate(""))
	}
	return fmt.Sprintf("%s, which answered; but on the way back %s.", reached, what)
}

// schedule says when the SYNs left and who gave up, and when.
func (e *evidence) schedule() string {
	gaveUp := fmt.Sprintf("the kernel gave up after %s with %s", short(e.Elapsed), errnoOf(e.Observation))
	if e.Deadline {
		gaveUp = fmt.Sprintf("the step's own timeout ended the attempt after %s, before the kernel gave up", short(e.Elapsed))
	}
	switch n := len(e.syns); {
	case n == 0:
		return capital(gaveUp) + "."
	case n == 1:
		return "It left only once: " + gaveUp + "."
	case n > 12:
		return fmt.Sprintf("They left between 0s and %s; %s.", short(e.since(e.syns[n-1].SentAt())), gaveUp)
	}
	var at []string
	for _, j := range e.syns {
		at = append(at, short(e.since(j.SentAt())))
	}
	return fmt.Sprintf("They left at %s; %s.", list(at), gaveUp)
}

// since is the time from the first SYN.
func (e *evidence) since(t time.Time) time.Duration { return t.Sub(e.syns[0].SentAt()) }

// silenceMeans says what the client can conclude.
func (e *evidence) silenceMeans() string {
	d, _, died := worst(e.syns)
	switch {
	case len(e.synAcks) > 0:
		return fmt.Sprintf("To %s this looks like a host that never answers, while %s waits in SYN-RECEIVED: the port is open, the way back is not.", e.client, e.server)
	case e.answerLost() != "":
		return fmt.Sprintf("To %s this looks like no answer at all: filtered, or the host is down.", e.client)
	case len(e.syns) > 0 && len(delivered(e.syns)) == len(e.syns):
		return "A host whose own firewall is silent, or whose accept queue is full, looks like this."
	case died && d.Cause == observe.ByRule:
		return fmt.Sprintf("No answer at all: to %s the port is filtered, and a host that is down would look the same.", e.client)
	case died && d.Cause == observe.Corrupted:
		return fmt.Sprintf("Whoever verifies the checksum discards such a packet without a word: to %s it is a loss like any other.", e.client)
	case died && d.Cause == observe.ByFullQueue:
		return "The port is open, but its server does not accept connections fast enough."
	case died && d.Cause == observe.BySynQueue:
		return "The port is open, but its server holds as many half-open connections as it may (listen(2)'s backlog, net.ipv4.tcp_max_syn_backlog) and sends no SYN cookies: a SYN flood looks like this."
	}
	return "No answer at all: filtered, or the host is down."
}
