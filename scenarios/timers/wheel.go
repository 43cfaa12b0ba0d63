// Package timers is the arithmetic of the Linux kernel's TCP timers: when each of
// them fires, from the sysctls of its node and the kernel's tick. It makes no
// system call.
//
// A timeout of the kernel is never exact. It is counted in ticks (jiffies) of 1/HZ
// seconds and kept in a timer wheel, which only rounds up: the farther away, the
// coarser (kernel/time/timer.c). How much is added depends on where the wheel
// stands when the timer is armed, which nobody chooses, so that each time is a
// Window. Where a timer is armed by the one before it, as retransmissions are, the
// roundings depend on each other: the windows here come from following the whole
// chain from every place of the wheel, and are as narrow as can be.
package timers

import "time"

// Window is when something that a timer decides can happen, both ends included.
type Window struct{ Low, High time.Duration }

// Shift is the window a while later; earlier, if by is negative.
func (w Window) Shift(by time.Duration) Window { return Window{w.Low + by, w.High + by} }

// plus is the window of what happens within v after w, whatever w was.
func (w Window) plus(v Window) Window { return Window{w.Low + v.Low, w.High + v.High} }

// The wheel's geometry (kernel/time/timer.c).
const (
	levelShift = 3  // LVL_CLK_SHIFT: a level's granularity is 8 times that of the one below
	levelSize  = 64 // LVL_SIZE: buckets in a level
	lastLevel  = 8  // LVL_DEPTH - 1 where HZ is over 100
)

// level is that of a timer which is due so many ticks from the wheel's clock
// (calc_wheel_index).
func level(delta int) int {
	n := 0
	for n < lastLevel && delta >= (levelSize-1)<<(levelShift*n) {
		n++
	}
	return n
}

// granularity is what a timer due in so many ticks is rounded up by at most, in
// ticks.
func granularity(ticks int) int { return 1 << (levelShift * level(ticks)) }

// expire is the tick at which a timer fires that is armed at the tick now. The
// wheel's clock is that far ahead of now: by one tick while timers are run, else
// not at all (__run_timers, calc_index).
func expire(now, timeout, ahead int) int {
	shift := levelShift * level(timeout-ahead)
	return ((now+timeout)>>shift + 1) << shift
}

// chain is timers of which each is armed by the one before it, when that fires.
type chain struct{ began, now, ahead int }

// arm arms the next timer and returns how many ticks after the chain's beginning
// it fires.
func (c *chain) arm(timeout int) int {
	c.now, c.ahead = expire(c.now, timeout, c.ahead), 1
	return c.now - c.began
}

// end is the index under which follow reports when a chain ends.
const end = -1

// windows follows a chain from every place of the wheel. Longest is the longest
// of its timeouts, in ticks; follow reports events by their index, more than once
// if it is not certain which it is.
func windows(hz, longest int, follow func(c *chain, event func(i, ticks int))) Schedule {
	var s Schedule
	seen := map[int]bool{}
	widen := func(i, ticks int) {
		// The chain began within a tick: up to one less may have passed.
		w := Window{duration(max(ticks-1, 0), hz), duration(ticks, hz)}
		at := &s.End
		if i != end {
			for len(s.Sent) <= i {
				s.Sent = append(s.Sent, Window{})
			}
			at = &s.Sent[i]
		}
		if !seen[i] {
			seen[i], *at = true, w
		}
		at.Low, at.High = min(at.Low, w.Low), max(at.High, w.High)
	}
	for began := range granularity(longest) {
		for ahead := range 2 {
			follow(&chain{began, began, ahead}, widen)
		}
	}
	return s
}

func duration(ticks, hz int) time.Duration {
	return time.Duration(ticks) * time.Second / time.Duration(hz)
}

// ticks rounds up, as usecs_to_jiffies does.
func ticks(d time.Duration, hz int) int {
	return int((d*time.Duration(hz) + time.Second - 1) / time.Second)
}
