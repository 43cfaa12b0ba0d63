package verdict

import (
	"fmt"
	"strings"

	"testbed/scenarios/spec"
	"testbed/topo"
)

// packets adds the checks of what crossed the network.
func (j *judge) packets() {
	if len(j.e.Handshake) > 0 {
		j.add(j.handshake(j.e.Handshake))
	}
	if len(j.e.Segments) > 0 {
		j.add(j.segments(j.e.Segments))
	}
	if j.e.Negotiated != nil {
		j.add(j.negotiated(j.e.Negotiated))
	}
	if expectsReset(j.e) {
		j.add(j.resetBy(j.e.ResetBy, j.e.ResetByLink))
	}
	if len(j.e.Packets) > 0 {
		j.add(j.counts(j.e.Packets))
	}
	if len(j.e.SynTimes) > 0 {
		j.add(j.sendTimes("syn_times", "SYN", topo.SYN, j.e.SynTimes))
	}
	if len(j.e.SynAckTimes) > 0 {
		j.add(j.sendTimes("syn_ack_times", "SYN-ACK", topo.SYN|topo.ACK, j.e.SynAckTimes))
	}
	if j.e.States != nil {
		j.add(j.states(j.e.States))
	}
	if j.e.SeenFrom != "" {
		j.add(j.seenFrom(j.e.SeenFrom))
	}
	if j.e.Dropped != nil {
		j.add(j.dropped(j.e.Dropped))
	}
	if j.e.Rewritten != nil {
		j.add(j.rewritten(j.e.Rewritten))
	}
}

// kinds are the keys of packets, in the order of reports.
var kinds = []struct {
	key string
	is  func(topo.TCPFlags) bool
}{
	{"syn", func(f topo.TCPFlags) bool { return f&(topo.SYN|topo.ACK) == topo.SYN }},
	{"syn_ack", func(f topo.TCPFlags) bool { return f&(topo.SYN|topo.ACK) == topo.SYN|topo.ACK }},
	{"ack", func(f topo.TCPFlags) bool { return is(f, topo.ACK) }},
	{"rst", func(f topo.TCPFlags) bool { return f&topo.RST != 0 }},
	{"fin", func(f topo.TCPFlags) bool { return f&topo.FIN != 0 }},
}

// counts compares how many segments of each kind left their senders. A
// retransmission counts, a duplicate that a link made does not.
func (j *judge) counts(want map[string]spec.Count) Check {
	c := Check{Key: "packets", OK: true}
	var expected, observed, wrong []string
	for _, k := range kinds {
		w, ok := want[k.key]
		if !ok {
			continue
		}
		n := 0
		for i := range j.o.Journeys {
			if p := j.o.Journeys[i].Packet(); p.TCP != nil && k.is(p.TCP.Flags) && j.o.Journeys[i].Left() {
				n++
			}
		}
		expected = append(expected, k.key+" "+countText(w))
		observed = append(observed, fmt.Sprintf("%s %d", k.key, n))
		if !within(w, n) {
			wrong = append(wrong, fmt.Sprintf("%s %s, observed %d", countText(w), k.key, n))
		}
	}
	c.Expected, c.Observed = strings.Join(expected, ", "), strings.Join(observed, ", ")
	if len(wrong) > 0 {
		c.OK, c.Note = false, j.withUnseen("expected "+strings.Join(wrong, "; "))
	}
	return c
}

// withUnseen adds to a violated check of packets that the capture is not whole.
func (j *judge) withUnseen(note string) string {
	if j.o.Unseen == 0 {
		return note
	}
	return fmt.Sprintf("%s (the capture missed %d frames)", note, j.o.Unseen)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
