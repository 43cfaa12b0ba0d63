package wire

import (
	"math"
	"testing"

	"testbed/netem"
)

func TestTurnsSerialize(t *testing.T) {
	i := netem.Impairment{Rate: 8e6} // a byte takes 1 µs
	var turns turns
	for n, c := range []struct {
		entered int64
		size    int
		want    int64
	}{{5000, 100, 105_000}, {6000, 10, 115_000}, {200_000, 1, 201_000}, {201_000, 2, 203_000}} {
		if got, ok := turns.take(&i, c.entered, c.size); got != c.want || !ok {
			t.Errorf("frame %d has been sent at %d, want %d", n, got, c.want)
		}
	}
}

// TestTurnsKeepTheRate: parts of a nanosecond are not lost.
func TestTurnsKeepTheRate(t *testing.T) {
	const n, size = 1000, 64
	for _, rate := range []uint64{1, 3, 7e6, 3e9, 7e10, 1e15, math.MaxUint64} {
		var turns turns
		var last int64
		for range n {
			last, _ = turns.take(&netem.Impairment{Rate: rate}, 0, size)
		}
		want := n * size * 8 * 1e9 / float64(rate)
		if math.Abs(float64(last)-want) > 1+want*1e-12 {
			t.Errorf("at %d bit/s %d frames take %d ns, want %.1f", rate, n, last, want)
		}
	}
}

func TestTheQueueHoldsWhatWaits(t *testing.T) {
	const size, takes = 100, 100_000 // bytes, ns
	for name, c := range map[string]struct {
		queue netem.Queue
		want  []bool
	}{
		"no bound":      {netem.Queue{}, []bool{true, true, true, true, true}},
		"two frames":    {netem.Queue{Frames: 2}, []bool{true, true, true, false, false}},
		"two in bytes":  {netem.Queue{Bytes: 299}, []bool{true, true, true, false, false}},
		"the lesser":    {netem.Queue{Frames: 3, Bytes: 100}, []bool{true, true, false, false, false}},
		"less than one": {netem.Queue{Bytes: 99}, []bool{true, false, false, false, false}},
	} {
		i := netem.Impairment{Rate: 8e6, Queue: c.queue}
		var turns turns
		for n, want := range c.want {
			if _, ok := turns.take(&i, 0, size); ok != want {
				t.Errorf("%s: frame %d accepted: %v", name, n, ok)
			}
		}
		// When the first has been sent, the second's turn has come, and leaves room.
		_, ok := turns.take(&i, takes, size)
		if want := c.queue.Bytes != 99; ok != want && c.queue.Bytes != 99 {
			t.Errorf("%s: the queue has no room though a turn has passed", name)
		}
		if c.queue != (netem.Queue{}) && turns.waiting.n > 3 {
			t.Errorf("%s: %d wait", name, turns.waiting.n)
		}
	}
}

func TestWithoutARateNothingWaits(t *testing.T) {
	var turns turns
	turns.take(&netem.Impairment{Rate: 1}, 0, 1000)
	if got, ok := turns.take(&netem.Impairment{}, 5, 1000); got != 5 || !ok {
		t.Errorf("a frame that came in at 5 has been sent at %d", got)
	}
}
