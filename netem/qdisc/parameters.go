package qdisc

import (
	"math"
	"time"

	"testbed/netem"
)

// parameters of a sch_netem, in its own units. The zero value is no netem: it
// would have room for no frame.
type parameters struct {
	latency, jitter time.Duration
	// limit is how many frames it holds.
	limit uint32
	// loss, duplicate and reorder are probabilities as chance encodes them.
	loss, duplicate, reorder uint32
	// bursts take the place of loss unless they are zero.
	bursts chain
	// rate is in bytes of frames per second.
	rate uint64
	// seed of its random numbers (Linux 6.6); zero leaves them as they are.
	seed uint64
	// spread is the table of the jitter's distribution. Without one it is uniform,
	// or as it was: netem keeps the table it has.
	spread *[netem.DistSize]int16
}

// chain is struct tc_netem_gemodel: toBad and toGood are the probabilities of a
// change, keepBad that a frame survives the bad state and loseGood that it is lost
// in the good one, as threshold encodes them.
type chain struct{ toBad, toGood, keepBad, loseGood uint32 }

const (
	// atOnce is a rate at which the largest frame takes less than a nanosecond. A
	// netem without a rate puts frames in order of their due times, so that jitter
	// reorders them; one with a rate counts a frame's time from the one before it
	// (netem_enqueue in net/sched/sch_netem.c).
	atOnce = math.MaxUint64
	// room bounds what is on its way, in frames: 1 Gbit/s over half a second.
	room = 1 << 16
)

// chance encodes a probability that netem decides by "x >= random number of 32
// bits", and takes 0 for never.
func chance(p float64) uint32 {
	n := math.Round(p * (1 << 32))
	if n < 1 {
		return 0
	}
	return uint32(max(1, n-1))
}

// threshold encodes one that it decides by "x > random number": 1 becomes all but
// one in 2^32.
func threshold(p float64) uint32 { return uint32(min(math.MaxUint32, math.Round(p*(1<<32)))) }

// lose sets how frames are lost.
func (p *parameters) lose(g netem.GilbertElliott) {
	p.loss, p.bursts = 0, chain{}
	if g.ToBad == 0 { // it stays in the good state
		p.loss = chance(g.LossGood)
		return
	}
	p.bursts = chain{threshold(g.ToBad), threshold(g.ToGood), math.MaxUint32 - threshold(g.LossBad), threshold(g.LossGood)}
}

// arrangement is what the pieces that a direction consists of have to do for an
// impairment.
type arrangement struct {
	// mtu is the largest frame, with its Ethernet header, that gets in.
	mtu uint32
	// closed means that nothing that is on its way comes out.
	closed bool
	// entry is the netem that a frame meets first, and path the last one. There is
	// an entry only if the direction is staged.
	entry, path parameters
}

const (
	// ethernet is the length of a frame's header.
	ethernet = 14
	// nothing is a largest frame that no frame meets.
	nothing = 1
)

// staged tells whether an impairment takes two netems; see Medium.
func staged(i netem.Impairment) bool {
	return i.Rate > 0 || i.Duplicate > 0 && i.Losses() != netem.GilbertElliott{}
}

// arrange says what a direction has to do. Seeds and tables are the caller's.
func arrange(i netem.Impairment, staged bool) arrangement {
	a := arrangement{mtu: math.MaxUint32, closed: i.Down}
	switch {
	case i.Down:
		a.mtu = nothing
	case i.MTU > 0 && i.MTU < math.MaxUint32-ethernet:
		a.mtu = uint32(i.MTU) + ethernet
	}
	a.path = parameters{latency: i.Delay, jitter: i.Jitter, limit: room, rate: atOnce, reorder: chance(i.Reorder)}
	first := &a.path
	if staged {
		a.entry = parameters{limit: room, rate: atOnce}
		first = &a.entry
	}
	first.lose(i.Losses())
	if i.Rate == 0 {
		a.path.duplicate = chance(i.Duplicate)
		return a
	}
	a.entry.duplicate = chance(i.Duplicate)
	a.entry.rate = max(1, (i.Rate+4)/8)
	if q := i.Queue.Frames; q > 0 {
		a.entry.limit = uint32(min(room, q+1)) // netem counts the one that is being sent
	}
	return a
}
