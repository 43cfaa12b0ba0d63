package run

import (
	"slices"
	"time"

	"testbed/agents"
	"testbed/observe"
	"testbed/observe/journey"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

// observeTransfer is observe, of so many packets that only those are kept which tell
// something.
func (w *watch) observeTransfer(o *verdict.Observation, c *connection) error {
	if err := w.observe(o, c); err != nil {
		return err
	}
	w.bulk = w.lab.capture.Mark()
	p := w.progressOf(o)
	t := o.Transfer
	t.Segments, t.Resent = len(p.segments), p.resent
	t.Stall = p.stall(o.Began, o.Began.Add(o.Elapsed), t.Bytes < t.Wanted)
	if last := p.last(); o.Outcome == agents.Transferred && last.After(o.Began) && !t.Receive {
		o.Elapsed = min(o.Elapsed, last.Sub(o.Began))
	}
	all := len(o.Journeys)
	o.Journeys, t.Lost = telling(o.Journeys)
	t.Omitted = all - len(o.Journeys)
	return nil
}

// stretch is a segment with data: the numbers that it carries, from the first one of
// the transfer on, when it left and when it arrived.
type stretch struct {
	from, to      int64
	sent, arrived time.Time
	journey       *observe.Journey
}

// progress is a transfer as the packets tell of it.
type progress struct {
	segments []stretch
	resent   int
	// acks are the segments that the receiver sent back, as they arrive.
	acks []acknowledgement
}

// acknowledgement is one of the receiver's segments at the sender.
type acknowledgement struct {
	at     time.Time
	number int64
	window uint16
}

// progressOf sorts a step's packets by what they do for a transfer.
func (w *watch) progressOf(o *verdict.Observation) (p progress) {
	var base uint32
	based := false
	for i := range o.Journeys {
		j := &o.Journeys[i]
		h := j.Packet().TCP
		if h == nil || h.Payload == 0 || w.fromClient(j, o) == o.Transfer.Receive {
			continue
		}
		if !based || int32(h.Seq-base) < 0 && !j.Retransmission {
			base, based = h.Seq, true
		}
	}
	for i := range o.Journeys {
		j := &o.Journeys[i]
		h := j.Packet().TCP
		switch {
		case h == nil || !based:
		case w.fromClient(j, o) == o.Transfer.Receive:
			if last := j.Last(); j.Fate.Delivered && !last.Sent && h.Flags&topo.ACK != 0 {
				p.acks = append(p.acks, acknowledgement{last.Time, int64(int32(h.Ack - base)), h.Window})
			}
		case h.Payload > 0:
			p.add(j, int64(int32(h.Seq-base)))
		}
	}
	return p
}

// add takes a segment with data.
func (p *progress) add(j *observe.Journey, from int64) {
	s := stretch{from: from, to: from + int64(j.Packet().TCP.Payload), sent: j.SentAt(), journey: j}
	if last := j.Last(); j.Fate.Delivered && !last.Sent {
		s.arrived = last.Time
	}
	if j.Retransmission {
		p.resent++
	}
	p.segments = append(p.segments, s)
}

// fromClient tells whether the client sent a packet.
func (w *watch) fromClient(j *observe.Journey, o *verdict.Observation) bool {
	return journey.Node(w.lab.net.Plan, &j.Sightings[0]) == o.From
}

// last is when the acknowledgement of all data reached the sender, zero if none was
// seen to.
func (p *progress) last() time.Time {
	var end int64
	for _, s := range p.segments {
		end = max(end, s.to)
	}
	for _, a := range p.acks {
		if a.number >= end {
			return a.at
		}
	}
	return time.Time{}
}

// stall finds the longest time between two arrivals that gave the receiving program
// something to read, or until the end of a transfer that is not complete.
func (p *progress) stall(began, ended time.Time, unfinished bool) *verdict.Stall {
	arrivals := slices.DeleteFunc(slices.Clone(p.segments), func(s stretch) bool { return s.arrived.IsZero() })
	slices.SortStableFunc(arrivals, func(a, b stretch) int { return a.arrived.Compare(b.arrived) })
	var best *verdict.Stall
	var next int64
	var since time.Time
	var early []stretch
	consider := func(until time.Time, over bool) {
		if d := until.Sub(since); !since.IsZero() && (best == nil || d > best.Duration) {
			best = &verdict.Stall{Duration: d, At: since.Sub(began), Offset: next, Ended: over}
		}
	}
	for _, s := range arrivals {
		if s.from > next {
			early = append(early, s)
			continue
		}
		if s.to <= next {
			continue
		}
		consider(s.arrived, true)
		next, since = s.to, s.arrived
		next, early = assembled(next, early)
	}
	if unfinished {
		consider(ended, false)
	}
	if best != nil {
		p.explain(best, began)
	}
	return best
}

// assembled goes on over what has arrived too early.
func assembled(next int64, early []stretch) (int64, []stretch) {
	slices.SortFunc(early, func(a, b stretch) int { return int(a.from - b.from) })
	for len(early) > 0 && early[0].from <= next {
		next, early = max(next, early[0].to), early[1:]
	}
	return next, early
}

// explain adds what the receiver waited for.
func (p *progress) explain(s *verdict.Stall, began time.Time) {
	from := began.Add(s.At)
	until := from.Add(s.Duration)
	for _, x := range p.segments {
		if x.from > s.Offset || x.to <= s.Offset || x.sent.After(until) || !x.arrived.IsZero() || x.journey.Fate.Pending {
			continue
		}
		if s.Lost++; s.Lost == 1 {
			s.Drop = x.journey.Fate.Drop
		}
	}
	for _, a := range p.acks {
		if a.at.After(until) {
			break
		}
		s.ZeroWindow = a.window == 0
	}
	s.ZeroWindow = s.ZeroWindow && s.Lost == 0
}

// What is kept of a transfer's packets: some at both ends, and so many that were lost
// or sent again.
const (
	keptEnds   = 6
	keptEvents = 60
)

// telling are the packets that are worth a line: the first and the last, and those
// that were lost or sent again. Where there are too many of these, lost are where the
// others died.
func telling(all []observe.Journey) (kept []observe.Journey, lost []verdict.Lost) {
	events := 0
	for i := range all {
		j := &all[i]
		died := !j.Fate.Delivered && !j.Fate.Pending
		event := j.Retransmission || died
		if event {
			events++
		}
		switch {
		case i < keptEnds || i >= len(all)-keptEnds || event && events <= keptEvents:
			kept = append(kept, *j)
		case died:
			lost = countLost(lost, j.Fate.Drop)
		}
	}
	return kept, lost
}

// countLost counts one more packet that died somewhere.
func countLost(lost []verdict.Lost, at observe.Drop) []verdict.Lost {
	i := slices.IndexFunc(lost, func(l verdict.Lost) bool { return l.Drop == at })
	if i < 0 {
		return append(lost, verdict.Lost{Drop: at, Packets: 1})
	}
	lost[i].Packets++
	return lost
}

// keptEarlier is how many of the packets from before a step are kept at both ends.
const keptEarlier = 200

// fewer are the packets from before a step that matter in it: the first ones, the
// latest, and those that begin or end a connection.
func fewer(all []observe.Journey) []observe.Journey {
	if len(all) <= 3*keptEarlier {
		return all
	}
	var kept []observe.Journey
	for i := range all {
		h := all[i].Packet().TCP
		if i < keptEarlier || i >= len(all)-keptEarlier || h != nil && h.Flags&(topo.SYN|topo.FIN|topo.RST) != 0 {
			kept = append(kept, all[i])
		}
	}
	return kept
}
