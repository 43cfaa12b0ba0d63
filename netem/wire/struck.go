package wire

import (
	"slices"
	"time"

	"testbed/netem"
)

// last is the place of a frame's last bit, as a fraction of 2^64.
const last = ^uint64(0)

// strike lets a fault befall a frame, and tells whether anything is left to send on.
func (e *engine) strike(x *netem.Fault, w *passage, a arrival, p packet) bool {
	switch x.Do {
	case netem.DropPacket:
		e.report(w.to, a.frame, netem.Faulted, x.Name)
		return false
	case netem.ResetConnection:
		e.tell(x, w.to, a.frame, e.reset(x, w, a, p))
		e.report(w.to, a.frame, netem.Faulted, x.Name)
		return false
	}
	e.tell(x, w.to, a.frame, nil)
	switch x.Do {
	case netem.DelayPacket:
		release := w.entered + int64(x.By)
		e.hold(*w, a.frame, release)
		if w.twice {
			w.to.tally.add(netem.Counters{Duplicated: 1})
			second := *w
			second.flipped = false
			e.hold(second, a.frame, release)
		}
		return false
	case netem.DuplicatePacket:
		w.twice, w.later = true, x.By
	case netem.CorruptPacket:
		w.flipped, w.place = true, last
	}
	return true
}

// tell reports a frame that a fault befell.
func (e *engine) tell(x *netem.Fault, d *direction, frame []byte, answers []netem.Answer) {
	if e.onFault == nil {
		return
	}
	e.onFault(netem.Strike{
		Link: d.link, To: d.to, Time: time.Now().Round(0), Fault: *x,
		Frame: append([]byte(nil), frame[vnetLen:min(len(frame), vnetLen+seen)]...), Length: len(frame) - vnetLen,
		Answers: answers,
	})
}

// held is a frame that gets on its way at a later moment, on the engine's clock.
type held struct {
	passage
	frame   []byte
	release int64
}

// hold keeps a copy of a frame until its time has come. What finds no room is
// dropped.
func (e *engine) hold(w passage, frame []byte, release int64) {
	d := w.to
	if d.bytes+memory(len(frame)) > e.limit {
		e.report(d, frame, netem.Overflow, "")
		return
	}
	w.entered = release
	h := held{w, e.copy(frame), release}
	at, _ := slices.BinarySearchFunc(d.held, h, func(a, b held) int {
		if a.release <= b.release {
			return -1 // behind those of the same moment
		}
		return 1
	})
	d.held = slices.Insert(d.held, at, h)
	d.bytes += memory(len(frame))
	d.plan()
	e.agenda.update(d)
}

// unhold puts frames on their way whose time has come.
func (e *engine) unhold(d *direction, now int64) {
	for len(d.held) > 0 && d.held[0].release <= now {
		h := d.takeHeld()
		e.forward(h.passage, transit{frame: h.frame, slot: -1}, inspect(h.frame))
	}
}

// takeHeld takes the frame whose time comes next.
func (d *direction) takeHeld() held {
	h := d.held[0]
	d.held[0] = held{}
	d.held = d.held[1:] // not slices.Delete, which would move all the others
	d.bytes -= memory(len(h.frame))
	d.plan()
	return h
}
