package verdict

import (
	"fmt"
	"strings"
	"time"

	"testbed/scenarios/spec"
	"testbed/topo"
)

// packets adds the checks of what crossed the network.
func (j *judge) packets() {
	if len(j.e.Handshake) > 0 {
		j.add(j.handshake(j.e.Handshake))
	}
	if len(j.e.Packets) > 0 {
		j.add(j.counts(j.e.Packets))
	}
	if len(j.e.SynTimes) > 0 {
		j.add(j.synTimes(j.e.SynTimes))
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
			if p := j.o.Journeys[i].Packet(); p.TCP != nil && k.is(p.TCP.Flags) {
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

// synTimes compares when each SYN left, from the first. The kernel arms
// retransmissions on its timer wheel, which rounds up by at most an eighth of
// the timeout (kernel/time/timer.c), so later ones are late by more than the
// default tolerance allows; scenarios about them name their own.
func (j *judge) synTimes(want []spec.Term) Check {
	var got []time.Duration
	var first time.Time
	for i := range j.o.Journeys {
		jo := &j.o.Journeys[i]
		if p := jo.Packet(); p.TCP == nil || !is(p.TCP.Flags, topo.SYN) {
			continue
		}
		if got == nil {
			first = jo.SentAt()
		}
		got = append(got, jo.SentAt().Sub(first))
	}
	c := Check{Key: "syn_times", Tolerance: "±(2% + 5ms)"}
	if j.e.Tolerance != nil {
		c.Tolerance = "±" + FormatDuration(*j.e.Tolerance)
	}
	var expected, observed []string
	for _, g := range got {
		observed = append(observed, FormatDuration(g))
	}
	for i, t := range want {
		w, err := j.resolve(t)
		if err != nil {
			expected = append(expected, t.Text)
			c.Note = err.Error()
			continue
		}
		expected = append(expected, termText(t, w))
		if i < len(got) && c.Note == "" {
			c.Note = j.synNote(i, w, got[i])
		}
	}
	c.Expected, c.Observed = strings.Join(expected, ", "), list(observed)
	if len(got) != len(want) {
		c.Note = fmt.Sprintf("expected %s, observed %d", plural(len(want), "SYN"), len(got))
	}
	c.OK = c.Note == ""
	if !c.OK {
		c.Note = j.withUnseen(c.Note)
	}
	return c
}

// synNote says by how much the i-th SYN is off, empty when it is not.
func (j *judge) synNote(i int, want, got time.Duration) string {
	tolerance, by := j.tolerance(want), got-want
	if by.Abs() <= tolerance {
		return ""
	}
	s := fmt.Sprintf("expected SYN %d at %s ±%s, observed %s: %s", i+1,
		FormatDuration(want), FormatDuration(tolerance), FormatDuration(got), lateness(by))
	if by > 0 && by <= want/8 {
		s += " (the kernel rounds timers up by at most an eighth: give a tolerance)"
	}
	return s
}

func termText(t spec.Term, d time.Duration) string {
	switch {
	case t.Text == "":
		return FormatDuration(d)
	case t.Unit != spec.Nanoseconds:
		return t.Text + " = " + FormatDuration(d)
	}
	return t.Text
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
