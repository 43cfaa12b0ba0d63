package wire

import (
	"math/rand/v2"
	"time"

	"testbed/netem"
)

// dice decide what becomes of the frames of one direction. Each frame takes the
// same number of draws, whatever the impairment, so that the fate of the n-th
// frame depends on the seed and on n alone: neither on time, nor on other
// links, nor on what was set before.
type dice struct{ pcg *rand.PCG }

// fate is what becomes of one frame.
type fate struct {
	lost, twice bool
	// delay is how long the frame is on its way, at least.
	delay time.Duration
}

// stream names what draws of its own.
type stream uint64

// The traffic of a direction draws separately from its housekeeping (see
// packet.upkeep), whose timing nobody controls: so the fate of the n-th packet
// of a test does not hang on how many ARP requests came between.
const (
	trafficStream stream = iota
	upkeepStream
)

// newDice returns the dice of one direction's stream.
func newDice(seed uint64, link int, to netem.Side, s stream) dice {
	h := mix(mix(seed) ^ uint64(link)<<8 ^ uint64(to)<<4 ^ uint64(s))
	return dice{rand.NewPCG(h, mix(h))}
}

// mix is the finalizer of SplitMix64 (Steele, Lea, Flood 2014): seeds that are
// next to each other come out unrelated.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// roll draws for the next frame.
func (d dice) roll(i *netem.Impairment) fate {
	loss, twice, spread := d.unit(), d.unit(), d.unit()
	f := fate{lost: loss < i.Loss, twice: twice < i.Duplicate, delay: i.Delay}
	if i.Jitter > 0 {
		f.delay = max(0, f.delay+time.Duration((2*spread-1)*float64(i.Jitter)))
	}
	return f
}

// unit draws from [0, 1).
func (d dice) unit() float64 { return float64(d.pcg.Uint64()>>11) / (1 << 53) }
