package wire

import (
	"sync/atomic"
	"time"

	"testbed/netem"
)

// direction carries the frames of a link to one of its sides. What is not atomic
// belongs to the engine's goroutine.
type direction struct {
	link int
	to   netem.Side
	// fd is the socket that frames leave through, out its interface.
	fd      int
	out     ifreq
	setting atomic.Pointer[setting]
	tally   tally

	traffic, upkeep dice
	queue           queue
	// bytes of memory that the queue's frames take.
	bytes int
	// last is the due time of the frame that came in last.
	last int64
	// due and order are those of the queue's front, but due is later while the
	// kernel takes no frame. place is the index in the agenda, or -1.
	due, order int64
	place      int
	// stalled is since when the kernel has taken no frame, shut since when the
	// interface has been down, or 0; retry is when to try again.
	stalled, shut, retry int64
}

// setting is an impairment and since when it applies.
type setting struct {
	netem.Impairment
	// since is on CLOCK_REALTIME, as the kernel's stamps are. Frames that were
	// stamped before meet the impairment before.
	since  int64
	before *netem.Impairment
}

func newDirection(seed uint64, l netem.Link, to netem.Side, fd int) *direction {
	d := &direction{
		link: l.ID, to: to, fd: fd, place: -1,
		traffic: newDice(seed, l.ID, to, trafficStream),
		upkeep:  newDice(seed, l.ID, to, upkeepStream),
	}
	d.setting.Store(&setting{Impairment: l.Toward[to]})
	return d
}

// set is safe for concurrent use.
func (d *direction) set(i netem.Impairment) {
	for {
		old := d.setting.Load()
		s := &setting{Impairment: i, since: time.Now().UnixNano(), before: &old.Impairment}
		if d.setting.CompareAndSwap(old, s) {
			return
		}
	}
}

// at is the impairment for a frame with a kernel stamp.
func (d *direction) at(stamp int64) *netem.Impairment {
	s := d.setting.Load()
	if s.before != nil && stamp < s.since {
		return s.before
	}
	return &s.Impairment
}

// decide draws a frame's fate and says for which cause it does not get on its
// way, if it does not.
func (d *direction) decide(frame []byte, stamp int64) (fate, netem.Cause) {
	i, p := d.at(stamp), inspect(frame)
	dice := d.traffic
	if p.upkeep {
		dice = d.upkeep
	}
	f := dice.roll(i)
	switch {
	case i.Down:
		return f, netem.LinkDown
	case i.MTU > 0 && p.length > i.MTU:
		return f, netem.TooBig
	case f.lost:
		return f, netem.Lost
	}
	return f, ""
}

// enter puts a frame on its way. It keeps the order: a frame is never due before
// the one that entered before it.
func (d *direction) enter(t transit, entered int64, delay time.Duration) {
	t.due = max(d.last, entered+int64(delay))
	d.last = t.due
	d.bytes += memory(len(t.frame))
	d.queue.push(t)
	d.plan()
}

// leave takes one copy of the front frame off the queue. It returns the buffer,
// once the last copy has left.
func (d *direction) leave() (t transit, last bool) {
	front := d.queue.at(0)
	if front.copies--; front.copies > 0 {
		return transit{}, false
	}
	t = d.queue.pop()
	d.bytes -= memory(len(t.frame))
	d.plan()
	return t, true
}

// plan sets due and order after the queue's front has changed.
func (d *direction) plan() {
	if d.queue.n > 0 {
		front := d.queue.at(0)
		d.due, d.order = max(front.due, d.retry), front.order
	}
}

// postpone makes the direction due a little later.
func (d *direction) postpone(now int64) {
	d.retry = now + retryAfter
	d.plan()
}

// memory is what a frame of n bytes takes while it is on its way.
func memory(n int) int { return classes[class(n)] }
