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

	traffic, upkeep *dice
	turns           turns
	// way holds the frames on their way, early those that overtake them; n is how
	// many they are together, bytes the memory that they take.
	way, early queue
	n, bytes   int
	// held are frames that faults keep back, the first to get on its way in front;
	// back is the opposite direction.
	held   []held
	faults faults
	back   *direction
	// due and order are those of the next frame, but due is later while the kernel
	// takes none. place is the index in the agenda, or -1.
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
	// faulty is since when its faults apply.
	faulty int64
}

func newDirection(seed uint64, l netem.Link, to netem.Side, fd int) *direction {
	d := &direction{
		link: l.ID, to: to, fd: fd, place: -1,
		traffic: newDice(seed, l.ID, to, trafficStream),
		upkeep:  newDice(seed, l.ID, to, upkeepStream),
	}
	d.setting.Store(&setting{Impairment: l.Toward[to], faulty: time.Now().UnixNano()})
	return d
}

// set is safe for concurrent use.
func (d *direction) set(i netem.Impairment) {
	for {
		old := d.setting.Load()
		s := &setting{Impairment: i, since: time.Now().UnixNano(), before: &old.Impairment, faulty: old.faulty}
		if i.Faults != old.Faults {
			s.faulty = s.since
		}
		if d.setting.CompareAndSwap(old, s) {
			return
		}
	}
}

// at is the impairment for a frame with a kernel stamp. Its faults apply from the
// first such frame on.
func (d *direction) at(stamp int64) *netem.Impairment {
	s := d.setting.Load()
	if s.before != nil && stamp < s.since {
		return s.before
	}
	d.faults.begin(s.Faults, s.faulty)
	return &s.Impairment
}

// refuse says for which cause a frame can't get on its way, if it can't.
func refuse(i *netem.Impairment, p packet) netem.Cause {
	switch {
	case i.Down:
		return netem.LinkDown
	case i.MTU > 0 && p.length > i.MTU:
		return netem.TooBig
	}
	return ""
}

// dice are those that decide about a packet.
func (d *direction) dice(p packet) *dice {
	if p.upkeep {
		return d.upkeep
	}
	return d.traffic
}

// enter puts a frame on its way, or ahead of those that are. Among themselves
// both keep their order.
func (d *direction) enter(t transit, due int64, early bool) {
	q := &d.way
	if early {
		q = &d.early
	}
	q.enter(t, due)
	d.n++
	d.bytes += memory(len(t.frame))
	d.plan()
}

// next is the i-th frame to come out, if j of those before it are early ones.
func (d *direction) next(i, j int) (t *transit, early bool) {
	switch {
	case j >= d.early.n:
		return d.way.at(i - j), false
	case i-j >= d.way.n:
		return d.early.at(j), true
	}
	t, e := d.way.at(i-j), d.early.at(j)
	if e.before(t) {
		return e, true
	}
	return t, false
}

// leave takes the frame that comes out next off its queue.
func (d *direction) leave() transit {
	q := &d.way
	if _, early := d.next(0, 0); early {
		q = &d.early
	}
	t := q.pop()
	d.n--
	d.bytes -= memory(len(t.frame))
	d.plan()
	return t
}

// idle tells whether nothing is on its way or held back.
func (d *direction) idle() bool { return d.n == 0 && len(d.held) == 0 }

// plan sets due and order after the next frame is another.
func (d *direction) plan() {
	if d.n > 0 {
		t, _ := d.next(0, 0)
		d.due, d.order = max(t.due, d.retry), t.order
	}
	if len(d.held) > 0 && (d.n == 0 || d.held[0].release < d.due) {
		d.due, d.order = d.held[0].release, 0
	}
}

// postpone makes the direction due a little later.
func (d *direction) postpone(now int64) {
	d.retry = now + retryAfter
	d.plan()
}

// memory is what a frame of n bytes takes while it is on its way.
func memory(n int) int { return classes[class(n)] }
