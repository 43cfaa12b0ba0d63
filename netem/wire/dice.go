package wire

import (
	"math"
	"math/rand/v2"
	"time"

	"testbed/netem"
)

// dice decide what becomes of the frames of one direction. Each frame takes the
// same number of draws, whatever the impairment, so that the fate of the n-th
// frame depends on the seed and on the frames before alone: neither on time, nor
// on other links.
type dice struct {
	// Loss, duplication and jitter are drawn from one generator, the rest from
	// another, so that the one kind of fate leaves the other as it is.
	first, second *rand.PCG
	// jitter is the last frame's share of frames with less jitter, 0 to 1.
	jitter float64
	// losses is the loss model that the last frame met, and bad its state.
	losses netem.GilbertElliott
	bad    bool
}

// fate is what becomes of one frame.
type fate struct {
	// lost frames do not arrive, twice do so two times; early overtakes, and
	// flipped has a wrong bit.
	lost, twice, early, flipped bool
	// delay is how long the frame is on its way, at least.
	delay time.Duration
	// place decides which bit is wrong.
	place uint64
}

// stream names what draws of its own.
type stream uint64

// The traffic of a direction draws separately from its housekeeping (see
// packet.upkeep), whose timing nobody controls: so the fate of the n-th packet
// of a test does not hang on how many ARP requests came between.
const (
	trafficStream stream = iota
	upkeepStream
	streams
)

// newDice returns the dice of one direction's stream.
func newDice(seed uint64, link int, to netem.Side, s stream) *dice {
	generator := func(s stream) *rand.PCG {
		h := netem.Seed(seed, link, to, uint64(s))
		return rand.NewPCG(h, netem.Mix(h))
	}
	return &dice{first: generator(s), second: generator(s + streams)}
}

// roll draws for the next frame.
func (d *dice) roll(i *netem.Impairment) fate {
	loss, twice, spread := unit(d.first), unit(d.first), unit(d.first)
	change, early, flipped := unit(d.second), unit(d.second), unit(d.second)
	f := fate{
		lost:    d.loses(i.Losses(), loss, change),
		twice:   twice < i.Duplicate,
		early:   early < i.Reorder,
		flipped: flipped < i.Corrupt,
		delay:   i.Delay,
		place:   d.second.Uint64(),
	}
	d.jitter = correlate(d.jitter, spread, i.JitterCorrelation)
	if i.Jitter > 0 {
		f.delay = max(0, f.delay+time.Duration(i.Distribution.Quantile(d.jitter)*float64(i.Jitter)))
	}
	return f
}

// loses tells whether the model, in its present state, loses a frame, and then
// changes the state.
func (d *dice) loses(g netem.GilbertElliott, loss, change float64) bool {
	if g != d.losses {
		d.losses, d.bad = g, false
	}
	if d.bad {
		d.bad = change >= g.ToGood
		return loss < g.LossBad
	}
	d.bad = change < g.ToBad
	return loss < g.LossGood
}

// correlate returns a draw from [0, 1) that depends on the one before: their
// normal scores have the correlation rho, and each is uniform by itself
// (a first-order autoregressive process behind a Gaussian copula).
func correlate(last, fresh, rho float64) float64 {
	if rho == 0 {
		return fresh
	}
	return share(rho*score(last) + math.Sqrt(1-rho*rho)*score(fresh))
}

// score is the standard normal distribution's quantile function, and share its
// inverse.
func score(u float64) float64 {
	const tiny = 1. / (1 << 53)
	return math.Sqrt2 * math.Erfinv(2*max(tiny, min(1-tiny, u))-1)
}

func share(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

// unit draws from [0, 1).
func unit(g *rand.PCG) float64 { return float64(g.Uint64()>>11) / (1 << 53) }
