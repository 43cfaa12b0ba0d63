package netem

import "math"

// DistScale is how many units of Table are one Jitter, and DistSize how many
// entries the table has (NETEM_DIST_SCALE, include/uapi/linux/pkt_sched.h; the
// size that tc's own tables have).
const (
	DistScale = 8192
	DistSize  = 4096
)

// distLimit bounds a quantile, in Jitters, as the 16-bit entries of a table do.
const distLimit = 4

// Quantile returns the jitter that a share u, 0 to 1, of all frames does not
// exceed, in units of Impairment.Jitter: a frame whose draw is u takes Delay +
// Quantile(u) × Jitter. It is between -1 and 1 for Uniform, which also stands for
// the empty Distribution, and between -4 and 4 for the others.
//
// They are the curves of tc-netem(8), from iproute2's netem/normal.c, pareto.c
// and paretonormal.c. Cut off as they are, only Normal has mean 0 and standard
// deviation 1; for Pareto the two are -0.03 and 0.82, for ParetoNormal -0.02 and
// 0.84.
func (d Distribution) Quantile(u float64) float64 {
	u = max(0, min(1, u))
	switch d {
	case Normal:
		return normal(u)
	case Pareto:
		return pareto(u)
	case ParetoNormal:
		return (normal(u) + 3*pareto(u)) / 4
	}
	return 2*u - 1
}

// normal is the standard normal distribution's quantile function.
func normal(u float64) float64 {
	return max(-distLimit, min(distLimit, math.Sqrt2*math.Erfinv(2*u-1)))
}

// pareto is that of a Pareto distribution with shape 3 and scale 1, moved by its
// mean. Its variance is 3/4, and it is divided by that, not by the root of it.
func pareto(u float64) float64 {
	const shape, mean, spread = 3, 1.5, 0.75
	return min(distLimit, (math.Pow(1-u, -1./shape)-mean)/spread)
}

// Table is the distribution as sch_netem takes it (TCA_NETEM_DELAY_DIST): Quantile
// at the middles of as many equal parts of 0 to 1, in units of Jitter/DistScale.
func (d Distribution) Table() [DistSize]int16 {
	var t [DistSize]int16
	for i := range t {
		x := math.Round(DistScale * d.Quantile((float64(i)+0.5)/DistSize))
		t[i] = int16(max(math.MinInt16, min(math.MaxInt16, x)))
	}
	return t
}
