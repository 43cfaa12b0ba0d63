package wire

import (
	"math/bits"

	"testbed/netem"
)

// turns is the transmitter of a direction with a rate: it sends one frame after
// the other, while the next ones wait.
type turns struct {
	// free is when the last bit of the last frame has been sent, on the engine's
	// clock; rest is what that is short of, in parts of a nanosecond whose number
	// is the rate.
	free int64
	rest uint64
	// waiting are the frames whose turn had not come when the last frame came in,
	// and bytes the sum of their sizes.
	waiting ring[turn]
	bytes   int
}

// turn is a frame that waits.
type turn struct {
	begins int64
	size   int
}

// take gives a frame of so many bytes, which came in at entered, its turn. It
// returns when its last bit has been sent, or false if it found the queue full.
func (t *turns) take(i *netem.Impairment, entered int64, size int) (int64, bool) {
	if i.Rate == 0 {
		return entered, true
	}
	t.advance(entered)
	begins := max(entered, t.free)
	if begins > entered {
		if t.full(i.Queue, size) {
			return 0, false
		}
		t.waiting.push(turn{begins, size})
		t.bytes += size
	} else {
		t.rest = 0
	}
	// With the rest in it the sum is below 2^64 times the rate, as Div64 wants it.
	high, low := bits.Mul64(uint64(size)*8, 1e9)
	low, carry := bits.Add64(low, t.rest%i.Rate, 0)
	ns, rest := bits.Div64(high+carry, low, i.Rate)
	t.free, t.rest = begins+int64(ns), rest
	return t.free, true
}

// advance forgets the frames whose turn has come.
func (t *turns) advance(now int64) {
	for t.waiting.n > 0 && t.waiting.at(0).begins <= now {
		t.bytes -= t.waiting.pop().size
	}
}

// full tells whether a frame of that size has no room to wait.
func (t *turns) full(q netem.Queue, size int) bool {
	return q.Frames > 0 && t.waiting.n >= q.Frames || q.Bytes > 0 && t.bytes+size > q.Bytes
}
