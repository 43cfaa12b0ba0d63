package verdict

import (
	"fmt"
	"strings"

	"testbed/observe"
	"testbed/observe/relative"
	"testbed/scenarios/spec"
	"testbed/topo"
)

// numbered is a segment that left its sender, with its relative numbers.
type numbered struct {
	*observe.Journey
	seq, ack uint32
}

func (s *numbered) tcp() *observe.TCP { return s.Packet().TCP }

// maxSegments bounds how many observed segments a check shows.
const maxSegments = 16

// segments compares what left the senders with what is expected, in order. What
// is between two expected ones does not matter where the expectation says so.
func (j *judge) segments(want []spec.Segment) Check {
	got := j.sent(len(want))
	c := Check{Key: "segments", Expected: expectedTexts(want), Observed: observedTexts(got)}
	if c.Note = compareSegments(want, got); c.Note != "" {
		c.Note = j.withUnseen(c.Note)
		return c
	}
	c.OK = true
	return c
}

// sent are the segments that the step is judged by, at least n if there are as many.
// Their numbers go on from those before the step.
func (j *judge) sent(n int) (all []*numbered) {
	chosen := j.transmissions()
	if j.o.Kind == Connect || j.o.Kind == HTTP {
		chosen = j.opening(n)
	}
	numbers := relative.New()
	for i := range j.o.Earlier {
		if j.o.Earlier[i].Packet().TCP != nil {
			numbers.Of(&j.o.Earlier[i])
		}
	}
	for i := range j.o.Journeys {
		t := &j.o.Journeys[i]
		if t.Packet().TCP == nil || !t.Left() {
			continue
		}
		seq, ack := numbers.Of(t)
		if len(all) < len(chosen) && chosen[len(all)] == t {
			all = append(all, &numbered{t, seq, ack})
		}
	}
	return all
}

// compareSegments says what is not as expected, empty if nothing is. Expectations
// are blocks of segments with gaps between them: the first block is at the
// beginning and the last one at the end; each other is at its first place.
func compareSegments(want []spec.Segment, got []*numbered) string {
	blocks := blocksOf(want)
	at := 0
	for i, b := range blocks {
		last := i == len(blocks)-1
		switch {
		case i == 0:
			if note := firstWrong(b, got, last); note != "" {
				return note
			}
			at = len(b)
		case last:
			end := len(got) - len(b)
			if end < at {
				return fmt.Sprintf("expected %s after segment %d, observed %s after it", expectedTexts(b), at, plural(len(got)-at, "segment"))
			}
			if note := firstWrong(b, got[end:], true); note != "" {
				return "of the last segments, " + note
			}
		default:
			found := at
			for found < len(got) && firstWrong(b, got[found:], false) != "" {
				found++
			}
			if found+len(b) > len(got) {
				return fmt.Sprintf("expected %s after segment %d, observed none such", expectedTexts(b), at)
			}
			at = found + len(b)
		}
	}
	return ""
}

// blocksOf parts expected segments at the gaps; there is one more than gaps.
func blocksOf(want []spec.Segment) [][]spec.Segment {
	blocks := [][]spec.Segment{nil}
	for _, w := range want {
		if w.Any {
			blocks = append(blocks, nil)
			continue
		}
		n := len(blocks) - 1
		blocks[n] = append(blocks[n], w)
	}
	return blocks
}

// firstWrong compares the first segments with a block, all of them if the block is
// the whole.
func firstWrong(block []spec.Segment, got []*numbered, whole bool) string {
	for i := range block {
		if i >= len(got) {
			return fmt.Sprintf("expected %s as segment %d, observed no more", block[i].Text, i+1)
		}
		if wrong := differs(&block[i], got[i]); len(wrong) > 0 {
			return fmt.Sprintf("expected segment %d with %s", i+1, strings.Join(wrong, "; "))
		}
	}
	if whole && len(got) > len(block) {
		return fmt.Sprintf("expected nothing after segment %d, observed %s", len(block), got[len(block)])
	}
	return ""
}

// String is the segment as expectations are written.
func (s *numbered) String() string {
	t := s.tcp()
	text := t.Flags.String()
	if s.Sender != "" || s.Made != nil {
		text += " from " + senderOf(s.Journey)
	}
	text += fmt.Sprintf(" seq=%d", s.seq)
	if t.Flags&topo.ACK != 0 {
		text += fmt.Sprintf(" ack=%d", s.ack)
	}
	if t.Payload > 0 {
		text += fmt.Sprintf(" len=%d", t.Payload)
	}
	return text
}

func expectedTexts(want []spec.Segment) string {
	texts := make([]string, len(want))
	for i := range want {
		texts[i] = want[i].Text
	}
	return strings.Join(texts, ", ")
}

func observedTexts(got []*numbered) string {
	var texts []string
	for i, s := range got {
		if i == maxSegments {
			texts = append(texts, fmt.Sprintf("and %d more", len(got)-i))
			break
		}
		texts = append(texts, s.String())
	}
	return list(texts)
}
