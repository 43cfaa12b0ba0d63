package verdict

import (
	"fmt"
	"strings"
	"time"

	"testbed/observe"
	"testbed/scenarios/spec"
	"testbed/scenarios/timers"
	"testbed/topo"
)

// sendTimes compares when each segment of a kind left, from the first. The kernel
// arms retransmissions on its timer wheel, which rounds up by at most an eighth of
// the timeout (kernel/time/timer.c), so later ones are late by more than the
// default tolerance allows; scenarios about them name their own, or expect the
// kernel's schedule.
func (j *judge) sendTimes(key, noun string, flags topo.TCPFlags, want []spec.Term) Check {
	got := j.sentTimes(flags)
	c := Check{Key: key, Tolerance: "±(2% + 5ms)"}
	scheduled := want[0].Unit == spec.KernelSchedule
	if j.e.Tolerance != nil || scheduled {
		c.Tolerance = "±" + FormatDuration(j.tolerance(0))
	}
	var observed []string
	for _, g := range got {
		observed = append(observed, FormatDuration(g))
	}
	c.Observed = list(observed)
	spans, expected, err := j.sendSpans(key, want)
	c.Expected = expected
	if len(spans) > 0 {
		c.From = spans[0].from
	}
	for i, s := range spans {
		if i < len(got) && c.Note == "" {
			c.Note = j.sendNote(noun, i, s, got[i])
		}
	}
	switch {
	case err != nil:
		c.Note = err.Error()
	case len(got) != len(spans):
		c.Note = fmt.Sprintf("expected %s, observed %d", plural(len(spans), noun), len(got))
	}
	c.OK = c.Note == ""
	if !c.OK {
		c.Note = j.withUnseen(c.Note)
	}
	return c
}

// sentTimes are when segments with exactly these of SYN, ACK, FIN and RST left,
// since the connection began.
func (j *judge) sentTimes(flags topo.TCPFlags) (got []time.Duration) {
	var first time.Time
	for _, journeys := range [][]observe.Journey{j.o.Earlier, j.o.Journeys} {
		for i := range journeys {
			if p := journeys[i].Packet(); p.TCP == nil || !is(p.TCP.Flags, flags) {
				continue
			}
			if got == nil {
				first = journeys[i].SentAt()
			}
			got = append(got, journeys[i].SentAt().Sub(first))
		}
	}
	return got
}

// sendSpans are when segments are expected, and that in words.
func (j *judge) sendSpans(key string, want []spec.Term) (spans []span, expected string, err error) {
	if want[0].Unit == spec.KernelSchedule {
		return j.scheduled(key)
	}
	var texts []string
	for _, t := range want {
		s, e := j.span(key, t)
		if e != nil {
			err = e
			texts = append(texts, t.Text)
		} else {
			texts = append(texts, termText(t, s.Low))
		}
		spans = append(spans, s)
	}
	return spans, strings.Join(texts, ", "), err
}

// scheduled are the kernel's own times.
func (j *judge) scheduled(key string) (spans []span, expected string, err error) {
	settings, node, work := j.o.ClientTimers, j.o.From, timers.Settings.SYN
	if key == "syn_ack_times" {
		settings, node, work = j.o.ServerTimers, j.o.Target, timers.Settings.SYNACK
	}
	if settings == nil {
		return nil, string(spec.KernelSchedule), fmt.Errorf("the kernel's schedule is not known: the settings of its node are not")
	}
	s, err := work(*settings)
	if err != nil {
		return nil, string(spec.KernelSchedule), fmt.Errorf("the kernel's schedule is not known: %w", err)
	}
	from := fmt.Sprintf("%s's %s", node, s.From)
	var texts []string
	for _, w := range s.Sent {
		at := span{Window: w, derived: true, from: from}
		spans, texts = append(spans, at), append(texts, at.String())
	}
	return spans, fmt.Sprintf("%s = %s", spec.KernelSchedule, strings.Join(texts, ", ")), nil
}

// sendNote says by how much the i-th segment is off, empty when it is not.
func (j *judge) sendNote(noun string, i int, want span, got time.Duration) string {
	tolerance := j.tolerance(want.base())
	if want.Low-tolerance <= got && got <= want.High+tolerance {
		return ""
	}
	by := got - want.Low
	if by > 0 {
		by = got - want.High
	}
	s := fmt.Sprintf("expected %s %d at %s ±%s, observed %s: %s", noun, i+1,
		want, FormatDuration(tolerance), FormatDuration(got), lateness(by))
	if want.from == "" && by > 0 && by <= want.Low/8 {
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
