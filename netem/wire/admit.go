package wire

import (
	"time"

	"testbed/netem"
)

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
	w := passage{to: d, by: i, fate: d.dice(p).roll(i), entered: a.entered}
	cause := refuse(i, p)
	if cause == "" && !a.whole {
		cause = netem.Refused
	}
	if cause != "" {
		e.report(d, a.frame, cause, "")
		return
	}
	x := d.faults.strike(a.frame, p, a.stamp)
	if w.lost && (x == nil || !x.Loses()) {
		e.report(d, a.frame, netem.Lost, "")
		return
	}
	if x != nil && !e.strike(x, &w, a, p) {
		return
	}
	if !w.twice {
		e.forward(w, a.transit, p)
		return
	}
	d.tally.add(netem.Counters{Duplicated: 1})
	second := w
	second.flipped = false
	if w.later > 0 {
		e.hold(second, a.frame, w.entered+int64(w.later))
		e.forward(w, a.transit, p)
		return
	}
	copied := transit{frame: e.copy(a.frame), slot: -1}
	e.forward(w, a.transit, p)
	e.launch(second, copied, p.wire)
}

// passage is how a frame crosses.
type passage struct {
	fate
	to      *direction
	by      *netem.Impairment
	entered int64
	// later is how long after the frame the second of one that is sent twice gets on
	// its way.
	later time.Duration
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
		e.report(w.to, t.frame, netem.Overflow, "")
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
