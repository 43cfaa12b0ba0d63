package wire

import "testbed/netem"

// arrival is a frame that comes in.
type arrival struct {
	transit
	// stamp is the kernel's, on CLOCK_REALTIME; entered is the same moment on the
	// engine's clock.
	stamp, entered int64
	// whole is false for a frame that did not fit its buffer.
	whole bool
}

// admit decides about a frame and puts it on its way, or drops it.
func (e *engine) admit(d *direction, a arrival) {
	d.tally.add(netem.Counters{In: 1})
	i, p := d.at(a.stamp), inspect(a.frame)
	f := d.dice(p).roll(i)
	cause := refuse(i, p, f)
	if cause == "" && !a.whole {
		cause = netem.Refused
	}
	if cause != "" {
		e.report(d, a.frame, cause)
		return
	}
	w := passage{to: d, by: i, fate: f, entered: a.entered}
	if !f.twice {
		e.forward(w, a.transit, p)
		return
	}
	second := transit{frame: e.copy(a.frame), slot: -1}
	d.tally.add(netem.Counters{Duplicated: 1})
	e.forward(w, a.transit, p)
	e.launch(w, second, p.wire)
}

// passage is how a frame crosses.
type passage struct {
	fate
	to      *direction
	by      *netem.Impairment
	entered int64
}

// forward sends a frame on its way, corrupted if that is its fate.
func (e *engine) forward(w passage, t transit, p packet) {
	if !w.flipped || p.length == 0 {
		e.launch(w, t, p.wire)
		return
	}
	if p.super {
		e.forwardSegments(w, t, p)
		return
	}
	complete(t.frame)
	flip(t.frame, p.network, w.place)
	if e.launch(w, t, p.wire) {
		w.to.tally.add(netem.Counters{Corrupted: 1})
	}
}

// launch gives a frame its turn, at which it takes so many bytes, and puts it on
// its way. It returns false if there was no room, and the frame is dropped.
func (e *engine) launch(w passage, t transit, size int) bool {
	ready, ok := w.entered, w.to.bytes+memory(len(t.frame)) <= e.limit
	if ok {
		ready, ok = w.to.turns.take(w.by, w.entered, size)
	}
	if !ok {
		e.report(w.to, t.frame, netem.Overflow)
		if t.slot < 0 {
			e.pool.put(t.frame)
		}
		return false
	}
	e.order++
	t.order = e.order
	due := ready + int64(w.delay)
	if w.early {
		due = ready
		w.to.tally.add(netem.Counters{Reordered: 1})
	}
	w.to.enter(t, due, w.early)
	return true
}
