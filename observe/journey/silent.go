package journey

import (
	"time"

	"testbed/netem"
	"testbed/observe"
)

// Count is what a medium has counted in one direction of a link.
type Count struct {
	// AtRest is a moment at which nothing was on its way, before Input.Frames were
	// read; zero if something was.
	AtRest time.Time
	// Dropped and Overflowed are frames of the stretch, as in netem.Counters.
	Dropped, Overflowed uint64
}

// silent is what is counted in a direction whose medium does not tell of each drop;
// nil if it does.
func (t *tracer) silent(w way) *Count {
	if w.link >= len(t.in.Counts) {
		return nil
	}
	return &t.in.Counts[w.link][w.to]
}

// swallowed is why a link dropped a packet, by what it is asked to do and has
// counted. Where it both loses and has a full queue, only one of which dropped
// frames, that is it; else nothing tells them apart.
func swallowed(p *observe.Packet, i *netem.Impairment, n *Count) observe.Cause {
	lossy := i.Losses() != netem.GilbertElliott{}
	switch {
	case n == nil:
	case i.MTU > 0 && p.Length > i.MTU:
		return observe.Cause(netem.TooBig)
	case n.Overflowed > 0 && (!lossy || n.Overflowed >= n.Dropped):
		return observe.Cause(netem.Overflow)
	case n.Overflowed == 0 && lossy:
		return observe.Cause(netem.Lost)
	}
	return observe.Unknown
}

// alike finds which of the packets on their way a frame is that comes out, or -1:
// the one that entered first, as a medium that tells of each drop would have said
// what became of that one. Of one that does not, it is the last that has been on
// its way for as long as it takes: a sender that repeats a packet gives one up.
func (t *tracer) alike(w way, flying []*replica, f *observe.Frame) int {
	silent, found := t.silent(w) != nil, -1
	for i, c := range flying {
		if !same(c.frame, f) {
			continue
		}
		if found >= 0 && c.last.Time.Add(least(&t.plan.Links[w.link].Toward[w.to])).After(f.Time) {
			break
		}
		if found = i; !silent {
			break
		}
	}
	return found
}

// least is the least time that a frame is on its way.
func least(i *netem.Impairment) time.Duration {
	if i.Reorder > 0 {
		return 0
	}
	return max(0, i.Delay+time.Duration(i.Distribution.Quantile(0)*float64(i.Jitter)))
}
