package journey

import (
	"bytes"
	"slices"

	"testbed/netem"
	"testbed/observe"
	"testbed/observe/decode"
)

// made is a frame that a fault makes.
type made struct {
	frame []byte
	by    observe.Strike
}

// struck notes what a fault did to a packet that is about to get on its way, and
// what it makes in answer.
func (t *tracer) struck(s *netem.Strike) {
	ends := t.plan.Topology.Links[s.Link].Ends
	by := observe.Strike{Link: [2]string{ends[s.To.Other()], ends[s.To]}, Fault: s.Fault.Name, Do: s.Fault.Do, By: s.Fault.By}
	for _, a := range s.Answers {
		w := way{s.Link, a.To}
		t.made[w] = append(t.made[w], made{a.Frame, by})
	}
	f := &observe.Frame{Link: s.Link, Side: s.To, Data: s.Frame, Length: s.Length}
	p, _ := decode.Frame(*f)
	x, again := t.crossing(way{s.Link, s.To}, f, p)
	if x.copy == nil || again {
		return
	}
	c := x.copy
	c.travel.Strikes = append(c.travel.Strikes, by)
	switch s.Fault.Do {
	case netem.ResetConnection:
		c.answered = len(s.Answers) > 0
	case netem.DelayPacket:
		c.ready = c.ready.Add(s.Fault.By)
	case netem.CorruptPacket:
		c.corruptedBy = s.Fault.Name
	}
}

// takeMade takes the fault that made a frame, nil if none did.
func (t *tracer) takeMade(w way, f *observe.Frame) *observe.Strike {
	all := t.made[w]
	i := slices.IndexFunc(all, func(m made) bool {
		n := min(len(m.frame), len(f.Data))
		return len(m.frame) == f.Length && bytes.Equal(m.frame[:n], f.Data[:n])
	})
	if i < 0 {
		return nil
	}
	by := all[i].by
	t.made[w] = slices.Delete(all, i, i+1)
	return &by
}
