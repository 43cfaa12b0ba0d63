package wire

import "time"

// clock is the engine's: monotonic, in nanoseconds since it was made.
type clock struct{ base time.Time }

func newClock() clock { return clock{time.Now()} }

func (c clock) now() int64 { return int64(time.Since(c.base)) }

// maxAge is the greatest age of a kernel stamp that is believed. One beyond it
// means that CLOCK_REALTIME was set in between.
const maxAge = int64(time.Second)

// at translates a kernel stamp (CLOCK_REALTIME, ns), read now, to the engine's
// clock. A stamp that makes no sense counts as now.
func (c clock) at(stamp int64, now time.Time) int64 {
	mono := int64(now.Sub(c.base))
	age := now.UnixNano() - stamp
	if age < 0 || age > maxAge {
		return mono
	}
	return mono - age
}
