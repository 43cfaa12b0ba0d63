package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"testbed/observe"
	"testbed/topo"
)

// connected tells how a handshake went: what was lost on the way, how the time
// splits, and whether the server knows of it.
func (e *evidence) connected() string {
	after := e.Elapsed
	if e.ConnectTime != nil {
		after = *e.ConnectTime
	}
	if e.halfOpen() {
		return paragraph(e.lostBefore(), e.halfOpenStory(after))
	}
	head := fmt.Sprintf("The connection to %s was established after %s.", e.target, short(after))
	return paragraph(head, e.lostBefore(), e.simultaneous(), e.legs(after), e.accepted(), e.early())
}

// handshake is the exchange that completed: the SYN that was answered, and the
// SYN-ACK that arrived first.
type handshake struct {
	syn, synAck *observe.Journey
	// received is when the SYN reached the server, back when the SYN-ACK reached
	// the client.
	received, back time.Time
}

// completed finds the handshake that made the client ESTABLISHED.
func (e *evidence) completed() (h handshake, ok bool) {
	for _, j := range e.synAcks {
		if at, there := arrival(j); there && (h.synAck == nil || at.Before(h.back)) {
			h.synAck, h.back = j, at
		}
	}
	if h.synAck == nil {
		return h, false
	}
	for _, j := range e.syns {
		if at, there := arrival(j); there && !at.After(h.synAck.SentAt()) {
			h.syn, h.received = j, at
		}
	}
	return h, h.syn != nil
}

// lostBefore tells of the SYNs and SYN-ACKs that died before the handshake
// completed.
func (e *evidence) lostBefore() string {
	h, ok := e.completed()
	if !ok {
		return ""
	}
	syns := lossesBefore(e.syns, h.syn, "SYN")
	synAcks := lossesBefore(e.synAcks, h.synAck, "SYN-ACK")
	what, at := "SYN", h.syn.SentAt()
	switch {
	case syns == "" && synAcks == "":
		return ""
	case syns == "":
		what, at = "SYN-ACK", h.synAck.SentAt()
	case synAcks != "":
		syns += ", and "
	}
	return fmt.Sprintf("%s; the %s that got through left %s after the first SYN did.",
		capital(syns+synAcks), what, short(at.Sub(e.syns[0].SentAt())))
}

// lossesBefore tells of the packets that died before the one that got through.
func lossesBefore(js []*observe.Journey, through *observe.Journey, noun string) string {
	n := slices.Index(js, through)
	d, dead, ok := worst(js[:max(n, 0)])
	if !ok {
		return ""
	}
	return deadOf(n, dead, noun) + " " + fate{n: dead, drop: d}.predicate("")
}

// deadOf names the n packets that came before the one that got through, of
// which so many died of one cause.
func deadOf(n, dead int, noun string) string {
	switch {
	case n == 1:
		return "the first " + noun
	case n == dead:
		return fmt.Sprintf("the first %d %ss", n, noun)
	}
	return fmt.Sprintf("%d of the first %d %ss", dead, n, noun)
}

// legs splits the time of connect() by the packets' stamps.
func (e *evidence) legs(total time.Duration) string {
	h, ok := e.completed()
	if !ok {
		return ""
	}
	out := h.received.Sub(h.syn.SentAt())
	host := h.synAck.SentAt().Sub(h.received)
	back := h.back.Sub(h.synAck.SentAt())
	by := e.server
	if t := h.syn.Fate.Taken; t.Node != "" {
		by = inline(t.Node, maxField)
	}
	text := fmt.Sprintf("The SYN took %s to reach %s%s, %s answered %s%s, and the SYN-ACK took %s back%s.",
		short(out), by, e.hops(h.syn), by, within(host), e.inName(h.syn), short(back), e.hops(h.synAck))
	rest := total - h.back.Sub(e.syns[0].SentAt())
	if rest >= 2*time.Millisecond {
		text += fmt.Sprintf(" The remaining %s passed in %s itself, before the SYN left or after the SYN-ACK came.", short(rest), e.client)
	}
	return text
}

// inName says that a SYN was answered by another than the server.
func (e *evidence) inName(syn *observe.Journey) string {
	t := syn.Fate.Taken
	if t.Node == "" {
		return ""
	}
	return fmt.Sprintf(" in %s's name (rule %s, a synproxy, which only then opens the connection to %s)", e.server, inline(t.Rule, maxField), e.server)
}

// within is "within 0.1ms", or "at once" for less than the report shows.
func within(d time.Duration) string {
	if d < 10*time.Microsecond {
		return "at once"
	}
	return "within " + short(d)
}

// hop is one link that a packet crossed.
type hop struct {
	from, to string
	took     time.Duration
}

// hopsOf are the links that a packet crossed, one after the other.
func (e *evidence) hopsOf(j *observe.Journey) []hop {
	var out []hop
	crossed := map[int]bool{}
	for i := range j.Sightings {
		a := &j.Sightings[i]
		if !a.Sent || crossed[a.Link] {
			continue
		}
		crossed[a.Link] = true
		for k := i + 1; k < len(j.Sightings); k++ {
			if b := &j.Sightings[k]; !b.Sent && b.Link == a.Link && b.Side != a.Side {
				out = append(out, hop{e.places.node(a), e.places.node(b), b.Time.Sub(a.Time)})
				break
			}
		}
	}
	return out
}

// hops names the time on each link where there are several.
func (e *evidence) hops(j *observe.Journey) string {
	hops := e.hopsOf(j)
	if len(hops) < 2 || len(hops) > 6 {
		return ""
	}
	var parts []string
	for _, h := range hops {
		if h.from == "" || h.to == "" {
			return ""
		}
		parts = append(parts, fmt.Sprintf("%s to %s %s", h.from, h.to, short(h.took)))
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// accepted tells when the server became ESTABLISHED.
func (e *evidence) accepted() string {
	if e.AcceptTime == nil {
		return ""
	}
	return fmt.Sprintf("With the final ACK, %s was ESTABLISHED %s after the first SYN left.", e.server, short(*e.AcceptTime))
}

// finalACK is the first segment of the client that acknowledges the SYN-ACK.
func (e *evidence) finalACK() *observe.Journey {
	for _, j := range e.acks {
		if j.Packet().TCP.Flags&topo.ACK != 0 {
			return j
		}
	}
	return nil
}

// halfOpen tells whether the client's final ACK is known to have died and the
// server never became ESTABLISHED.
func (e *evidence) halfOpen() bool {
	ack := e.finalACK()
	if ack == nil || ack.Fate.Delivered || ack.Fate.Pending || e.AcceptTime != nil {
		return false
	}
	return len(e.ServerStates) > 0 && !entered(e.ServerStates, observe.Established)
}

func (e *evidence) halfOpenStory(after time.Duration) string {
	drop := e.finalACK().Fate.Drop
	acks := e.acks
	for i, j := range acks {
		if j.Fate.Delivered {
			acks = acks[:i]
			break
		}
	}
	what := "its final ACK was " + endingOf(drop).passive()
	if _, n, _ := worst(acks); n > 1 && n == len(acks) {
		what = allOf(n, "ACK") + " were " + endingOf(drop).passive()
	}
	text := fmt.Sprintf("For %s the connection to %s was established after %s, but %s never became ESTABLISHED: %s.",
		e.client, e.target, short(after), e.server, what)
	if entered(e.ServerStates, observe.SynReceived) {
		text += fmt.Sprintf(" There it stays in SYN-RECEIVED, and the SYN-ACK is sent again (it left %s so far); any later segment of %s that arrives completes the handshake.",
			times(len(e.synAcks)), e.client)
	}
	return text + " An application sees an open connection; if it waits for the server to speak first, it waits in vain until then."
}

// configured is the delay of a link in one direction as the step's path has it.
func (e *evidence) configured(h hop) (time.Duration, bool) {
	for _, way := range []struct {
		nodes  []string
		delays []time.Duration
	}{{e.Path.Nodes, e.Path.There}, {e.Path.Return, e.Path.Back}} {
		for i := 0; i+1 < len(way.nodes) && i < len(way.delays); i++ {
			if way.nodes[i] == h.from && way.nodes[i+1] == h.to {
				return way.delays[i], true
			}
		}
	}
	return 0, false
}
