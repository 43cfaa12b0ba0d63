package conformance

import (
	"math"
	"slices"

	"testbed/netem"
)

// sigmas is how many standard deviations a bound is wide: one false alarm in 500
// million.
const sigmas = 6

// band is the Dvoretzky-Kiefer-Wolfowitz bound on how far the distribution of n
// draws departs from what they were drawn from, in one direction: further in less
// than one of 10^8 runs.
func band(n int) float64 { return math.Sqrt(math.Log(1e8) / float64(2*n)) }

// cumulative is the share of frames whose jitter is at most x Jitters: the inverse
// of the distribution's quantile function.
func cumulative(d netem.Distribution, x float64) float64 {
	low, high := 0., 1.
	if d.Quantile(low) > x {
		return 0
	}
	for range 50 {
		if middle := (low + high) / 2; d.Quantile(middle) <= x {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}

// departure is how far jitters depart from a distribution, in the manner of
// Kolmogorov and Smirnov: by how much a share more of them than expected was less
// than some value, and by how much a share less, if each may be greater by late.
// Jitters and late are in units of Jitter.
func departure(jitters []float64, d netem.Distribution, late float64) (early, tardy float64) {
	x := slices.Sorted(slices.Values(jitters))
	n := float64(len(x))
	for i, v := range x {
		early = max(early, float64(i+1)/n-cumulative(d, v))
		tardy = max(tardy, cumulative(d, v-late)-float64(i)/n)
	}
	return early, tardy
}

// quantile is the value that a share u of the values does not exceed.
func quantile[T float64 | int64](values []T, u float64) T {
	x := slices.Sorted(slices.Values(values))
	return x[min(len(x)-1, int(u*float64(len(x))))]
}

// agreement is how many pairs of neighbours are on the same side of 0, and how many
// pairs there are.
func agreement(x []float64) (same, pairs int) {
	for i := 1; i < len(x); i++ {
		if x[i] > 0 == (x[i-1] > 0) {
			same++
		}
	}
	return same, max(0, len(x)-1)
}

// agreementOf is the share of neighbours on the same side of 0, of normal draws
// with that correlation (Sheppard 1899).
func agreementOf(correlation float64) float64 { return 0.5 + math.Asin(correlation)/math.Pi }
