package wire

import (
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The engine gets to run when a frame is due by four means, each measured (see
// the benchmarks):
//
//   - It keeps a place of its own in the Go scheduler (keepPlace), as a goroutine
//     that comes back from a system call waits for milliseconds while others
//     keep all places busy.
//   - Its thread asks for the shortest time slice, which lets it preempt longer
//     ones when it wakes (EEVDF, Linux 6.12). That needs no privilege.
//   - With the privilege it has nice value -20, which counts within its session or
//     cgroup (sched(7), the autogroup feature). It is not SCHED_FIFO: Go's
//     runtime spins where it waits for a thread of another goroutine, which a thread
//     that the kernel prefers without condition may keep from running, on both sides,
//     until the kernel steps in after almost a second (kernel/sched/deadline.c, fair
//     server). Only where Options.RealTime says so it is, unless it is too busy for that.
//   - It wakes early and spins to the exact moment, as far as its budget allows.

const (
	// slice is the shortest that the kernel grants (sched_setattr(2)).
	slice = 100 * time.Microsecond
	// nice is the most favourable that there is.
	nice = -20
	// window is how long the engine's load is measured to decide on SCHED_FIFO;
	// busyShare of it spent not waiting is too much, calmShare little enough.
	window               = int64(10 * time.Millisecond)
	busyShare, calmShare = 0.5, 0.25
	// lead is how long before a frame is due the engine wakes up to spin: an
	// idle virtual processor takes up to 50 µs to wake.
	lead = int64(60 * time.Microsecond)
	// Spinning may take one part in spinShare of the time, and spinMost at a
	// stretch that nothing was spun before.
	spinShare = 5
	spinMost  = int64(2 * time.Millisecond)
)

// ownPlaces are the processors that the Go scheduler has more for each engine that
// runs: one that it keeps, and one for it to come back to when the runtime takes the
// other away, as it does every 10 ms (runtime/proc.go, retake).
const ownPlaces = 2

// places counts the processors of engines that run, and those that the Go scheduler
// was given for engines. Free ones wait for the next engine, since each change stops
// every goroutine, those of the other engines too.
var places struct {
	sync.Mutex
	kept, made int
}

// keepPlace keeps n processors of the Go scheduler more, or fewer.
func keepPlace(n int) {
	places.Lock()
	defer places.Unlock()
	if places.kept += n; places.kept > places.made {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + places.kept - places.made)
		places.made = places.kept
	}
}

// scheduling is how the kernel schedules the engine's thread.
type scheduling struct {
	realTime       bool // as in Options
	ordinary, fifo unix.SchedAttr
	// allowed says that the thread may be SCHED_FIFO, and first that it is.
	allowed, first bool
	// began is when the window began, waited how much of it was spent waiting.
	began, waited int64
}

// settle prepares the calling thread, which keeps it for the rest of its life.
// A kernel that lacks or forbids something only makes the engine less exact.
func (s *scheduling) settle(now int64) {
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	s.ordinary = unix.SchedAttr{Size: unix.SizeofSchedAttr, Flags: unix.SCHED_FLAG_RESET_ON_FORK, Runtime: uint64(slice), Nice: nice}
	if unix.SchedSetAttr(0, &s.ordinary, 0) != nil {
		if a, err := unix.SchedGetAttr(0, 0); err == nil {
			s.ordinary.Nice = a.Nice
			_ = unix.SchedSetAttr(0, &s.ordinary, 0)
		}
	}
	s.fifo = unix.SchedAttr{
		Size: unix.SizeofSchedAttr, Flags: unix.SCHED_FLAG_RESET_ON_FORK,
		Policy: unix.SCHED_FIFO, Priority: 1,
	}
	s.allowed = s.realTime && unix.SchedSetAttr(0, &s.fifo, 0) == nil
	s.first, s.began = s.allowed, now
}

// account notes a wait. A thread that is busy all the time must not be
// SCHED_FIFO: it would starve the processor it is on, until the kernel throttles
// it for longer than any frame should be late.
func (s *scheduling) account(before, after int64) {
	s.waited += after - before
	span := after - s.began
	if !s.allowed || span < window {
		return
	}
	busy := 1 - float64(s.waited)/float64(span)
	switch {
	case s.first && busy > busyShare:
		s.first = unix.SchedSetAttr(0, &s.ordinary, 0) != nil
	case !s.first && busy < calmShare:
		s.first = unix.SchedSetAttr(0, &s.fifo, 0) == nil
	}
	s.began, s.waited = after, 0
}

// budget bounds how much time is spent spinning.
type budget struct{ left, at int64 }

// open tells whether there is time to spin for a whole lead.
func (b *budget) open(now int64) bool {
	b.left = min(spinMost, b.left+(now-b.at)/spinShare)
	b.at = now
	return b.left >= lead
}

func (b *budget) spend(ns int64) { b.left -= ns }
