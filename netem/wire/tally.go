package wire

import (
	"runtime"
	"sync/atomic"

	"testbed/netem"
)

// tally counts a direction's frames. One goroutine adds, any may read, and what
// they read is of one moment: a sequence lock, so that a reader never makes the
// engine wait.
type tally struct {
	seq                                atomic.Uint32
	in, delivered, dropped, duplicated atomic.Uint64
	overflowed, corrupted, reordered   atomic.Uint64
}

func (t *tally) add(c netem.Counters) {
	t.seq.Add(1)
	t.in.Store(t.in.Load() + c.In)
	t.delivered.Store(t.delivered.Load() + c.Delivered)
	t.dropped.Store(t.dropped.Load() + c.Dropped)
	t.duplicated.Store(t.duplicated.Load() + c.Duplicated)
	t.overflowed.Store(t.overflowed.Load() + c.Overflowed)
	t.corrupted.Store(t.corrupted.Load() + c.Corrupted)
	t.reordered.Store(t.reordered.Load() + c.Reordered)
	t.seq.Add(1)
}

func (t *tally) read() netem.Counters {
	for {
		seq := t.seq.Load()
		c := netem.Counters{
			In: t.in.Load(), Delivered: t.delivered.Load(),
			Dropped: t.dropped.Load(), Duplicated: t.duplicated.Load(),
			Overflowed: t.overflowed.Load(), Corrupted: t.corrupted.Load(), Reordered: t.reordered.Load(),
		}
		if seq&1 == 0 && t.seq.Load() == seq {
			return c
		}
		runtime.Gosched()
	}
}
