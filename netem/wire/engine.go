package wire

import (
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"testbed/netem"
)

// port is an inner end: the socket there, and the direction of what comes in.
type port struct {
	fd   int
	into *direction
	// batch is how many frames to receive in one call.
	batch int
}

// Received in one call: many small frames, or few super-segments, so that frames
// of other links that are due need not wait long.
const (
	batchSmall, batchLarge = slots, 4
	largeFrame             = 8 << 10
)

// engine carries all links of a wire, on one goroutine with its own thread.
type engine struct {
	clock      clock
	poll       *poll
	ports      atomic.Pointer[[]*port] // replaced, never changed
	closing    atomic.Bool
	stopped    chan struct{}
	onDrop     func(netem.Drop)
	onFault    func(netem.Strike)
	limit      int
	scheduling scheduling
	budget     budget
	agenda     agenda
	pool       pool
	in         inbox
	out        outbox
	stats      unix.TpacketStats
	order      int64
}

func newEngine(o Options) (*engine, error) {
	p, err := newPoll()
	if err != nil {
		return nil, err
	}
	e := &engine{clock: newClock(), poll: p, stopped: make(chan struct{}), onDrop: o.OnDrop, onFault: o.OnFault, limit: o.Limit, scheduling: scheduling{realTime: o.RealTime}}
	e.ports.Store(&[]*port{})
	e.in.open()
	return e, nil
}

// run carries frames until the engine closes. It never unlocks its thread, whose
// scheduling is like no other's.
func (e *engine) run() {
	runtime.LockOSThread()
	defer close(e.stopped)
	e.scheduling.settle(e.clock.now())
	for !e.closing.Load() {
		for _, ev := range e.wait(e.release()) {
			if ev.Fd >= 0 {
				e.read((*e.ports.Load())[ev.Fd])
			}
		}
	}
	e.abandon()
}

// wait returns what there is to read, or nothing when the next frame is due.
func (e *engine) wait(now int64) []unix.EpollEvent {
	if len(e.agenda) == 0 {
		return e.block(now, 0)
	}
	due := e.agenda[0].due
	switch spin := e.budget.open(now); {
	case due <= now:
		return e.poll.ready()
	case !spin:
		return e.block(now, due)
	case due-now > lead:
		return e.block(now, due-lead)
	}
	return e.spin(now, due)
}

func (e *engine) block(now, target int64) []unix.EpollEvent {
	events := e.poll.until(now, target)
	e.scheduling.account(now, e.clock.now())
	return events
}

// spin looks for something to read until just before the next frame is due.
func (e *engine) spin(now, due int64) []unix.EpollEvent {
	const quiet = int64(5 * time.Microsecond)
	from := now
	defer func() { e.budget.spend(now - from) }()
	for now < due {
		if due-now > quiet {
			if events := e.poll.ready(); len(events) > 0 {
				return events
			}
		}
		now = e.clock.now()
	}
	return nil
}

// release sends what is due, and returns the time.
func (e *engine) release() int64 {
	now := e.clock.now()
	for len(e.agenda) > 0 && e.agenda[0].due <= now {
		e.flush(e.agenda[0], now)
	}
	return now
}

// abandon drops what is on its way.
func (e *engine) abandon() {
	for len(e.agenda) > 0 {
		d := e.agenda[0]
		if len(d.held) > 0 {
			e.report(d, d.takeHeld().frame, netem.Closed, "")
		} else {
			e.drop(d, netem.Closed)
		}
		e.agenda.update(d)
	}
}

// drop takes the next frame of a direction off its queue.
func (e *engine) drop(d *direction, cause netem.Cause) {
	t, _ := d.next(0, 0)
	e.report(d, t.frame, cause, "")
	e.depart(d)
}

// depart takes the next frame off, which has been sent or dropped.
func (e *engine) depart(d *direction) {
	if t := d.leave(); t.slot < 0 {
		e.pool.put(t.frame)
	}
}

// seen is how much of a dropped frame is reported: the network and transport
// headers.
const seen = 128

// report tells of a dropped frame, which begins with its virtio_net_hdr, or is
// empty if nobody has seen it, and then counts it. Only a fault has a name.
func (e *engine) report(d *direction, frame []byte, cause netem.Cause, fault string) {
	if e.onDrop != nil {
		drop := netem.Drop{Link: d.link, To: d.to, Time: time.Now().Round(0), Cause: cause, Fault: fault}
		if len(frame) > vnetLen {
			drop.Length = len(frame) - vnetLen
			drop.Frame = append([]byte(nil), frame[vnetLen:min(len(frame), vnetLen+seen)]...)
		}
		e.onDrop(drop)
	}
	c := netem.Counters{Dropped: 1}
	if cause == netem.Overflow {
		c.Overflowed = 1
	}
	d.tally.add(c)
}
