package wire

import (
	"math"
	"slices"
	"testing"
	"time"

	"testbed/netem"
)

func TestDiceDrawTheSameForEachFrame(t *testing.T) {
	a, b := newDice(1, 2, 0, trafficStream), newDice(1, 2, 0, trafficStream)
	i := netem.Impairment{
		Delay: time.Second, Jitter: time.Millisecond, Distribution: netem.Pareto,
		Loss: 0.5, Duplicate: 0.5, Reorder: 0.5, Corrupt: 0.5,
	}
	for n := range 1000 {
		if n%2 == 0 {
			b.roll(&netem.Impairment{})
			a.roll(&i)
		} else if x, y := a.roll(&i), b.roll(&i); x != y {
			t.Fatalf("fate %d is %+v and %+v", n, x, y)
		}
	}
}

func TestDiceOfNeighboursDiffer(t *testing.T) {
	seen := map[uint64]bool{}
	for seed := range uint64(8) {
		for link := range 8 {
			for to := range netem.Side(2) {
				for s := range streams {
					d := newDice(seed, link, to, s)
					seen[d.first.Uint64()] = true
					seen[d.second.Uint64()] = true
				}
			}
		}
	}
	if want := 8 * 8 * 2 * 2 * 2; len(seen) != want {
		t.Errorf("%d different first draws, want %d", len(seen), want)
	}
}

func TestRollStaysWithinBounds(t *testing.T) {
	d := newDice(1, 1, 1, trafficStream)
	i := netem.Impairment{Delay: 10 * time.Millisecond, Jitter: 4 * time.Millisecond}
	low, high := time.Hour, time.Duration(0)
	for range 10000 {
		f := d.roll(&i)
		if f.lost || f.twice || f.early || f.flipped {
			t.Fatalf("%+v with nothing but jitter", f)
		}
		low, high = min(low, f.delay), max(high, f.delay)
	}
	const near = 100 * time.Microsecond
	if low < 6*time.Millisecond || low > 6*time.Millisecond+near || high > 14*time.Millisecond || high < 14*time.Millisecond-near {
		t.Errorf("delays from %v to %v, want 6 ms to 14 ms", low, high)
	}
	certain := netem.Impairment{Jitter: time.Second, Loss: 1, Duplicate: 1, Reorder: 1, Corrupt: 1}
	if f := d.roll(&certain); !f.lost || !f.twice || !f.early || !f.flipped || f.delay < 0 {
		t.Errorf("%+v, though all is certain and no delay is negative", f)
	}
}

// draws are the jitters of many frames, in units of their Jitter.
func draws(n int, d netem.Distribution, rho float64) []float64 {
	dice := newDice(1, 1, 1, trafficStream)
	i := netem.Impairment{Delay: time.Minute, Jitter: time.Second, Distribution: d, JitterCorrelation: rho}
	x := make([]float64, n)
	for j := range x {
		x[j] = (dice.roll(&i).delay - i.Delay).Seconds()
	}
	return x
}

// TestJitterFollowsItsDistribution compares quantiles, with and without
// correlation: the error of a share u of n independent draws is
// sqrt(u(1-u)/n), and this many correlated ones are worth n(1-rho)/(1+rho).
func TestJitterFollowsItsDistribution(t *testing.T) {
	const n = 200_000
	for _, d := range []netem.Distribution{netem.Uniform, netem.Normal, netem.Pareto, netem.ParetoNormal} {
		for _, rho := range []float64{0, 0.6} {
			x := draws(n, d, rho)
			slices.Sort(x)
			for _, u := range []float64{0.05, 0.25, 0.5, 0.75, 0.95} {
				margin := 6 * math.Sqrt(u*(1-u)/n*(1+rho)/(1-rho))
				got, low, high := x[int(u*n)], d.Quantile(u-margin), d.Quantile(u+margin)
				if got < low || got > high {
					t.Errorf("%s with correlation %v: quantile %v is %v, want %v to %v", d, rho, u, got, low, high)
				}
			}
		}
	}
}

// TestJitterIsCorrelatedAsAsked: neighbours of normal draws have the correlation
// itself, those of uniform ones 6/π asin(ρ/2).
func TestJitterIsCorrelatedAsAsked(t *testing.T) {
	const n = 200_000
	for _, rho := range []float64{0, 0.3, 0.9} {
		for d, want := range map[netem.Distribution]float64{
			netem.Normal:  rho,
			netem.Uniform: 6 / math.Pi * math.Asin(rho/2),
		} {
			if got := correlation(draws(n, d, rho)); math.Abs(got-want) > 6*math.Sqrt(1./n)+0.002 {
				t.Errorf("%s: neighbours have the correlation %.4f, want %.4f", d, got, want)
			}
		}
	}
}

// correlation is that of each value with the one before.
func correlation(x []float64) float64 {
	var mean, variance, covariance float64
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for i, v := range x {
		variance += (v - mean) * (v - mean)
		if i > 0 {
			covariance += (v - mean) * (x[i-1] - mean)
		}
	}
	return covariance / variance
}

// TestLossHasItsRateAndBursts: a burst goes on with a probability that the model
// gives.
func TestLossHasItsRateAndBursts(t *testing.T) {
	const n = 200_000
	for name, c := range map[string]struct {
		i           netem.Impairment
		rate, again float64
	}{
		"independent": {netem.Impairment{Loss: 0.2}, 0.2, 0.2},
		"correlated":  {netem.Impairment{Loss: 0.2, LossCorrelation: 0.5}, 0.2, 0.2 + 0.5*0.8},
		"bursts": {
			netem.Impairment{Bursts: netem.GilbertElliott{ToBad: 0.05, ToGood: 0.2, LossBad: 1}},
			0.2, 0.8,
		},
	} {
		d, before := newDice(1, 1, 1, trafficStream), false
		var lost, again float64
		for range n {
			is := d.roll(&c.i).lost
			if is {
				lost++
			}
			if is && before {
				again++
			}
			before = is
		}
		if math.Abs(lost/n-c.rate) > 0.015 || math.Abs(again/lost-c.again) > 0.015 {
			t.Errorf("%s: a share of %.4f is lost and %.4f of the next ones, want %v and %v", name, lost/n, again/lost, c.rate, c.again)
		}
	}
}

func TestAnotherLossModelBeginsInItsGoodState(t *testing.T) {
	d := newDice(1, 1, 1, trafficStream)
	stuck := netem.Impairment{Bursts: netem.GilbertElliott{ToBad: 1, LossBad: 1}}
	for n, want := range []bool{false, true, true} {
		if got := d.roll(&stuck).lost; got != want {
			t.Errorf("frame %d lost: %v", n, got)
		}
	}
	other := netem.Impairment{Bursts: netem.GilbertElliott{ToBad: 1, ToGood: 1, LossBad: 1}}
	for n, want := range []bool{false, true, false, true} {
		if got := d.roll(&other).lost; got != want {
			t.Errorf("frame %d after the change lost: %v", n, got)
		}
	}
}

// TestHousekeepingDrawsSeparately: however many ARP requests come between, the
// packets of a test have the same fates.
func TestHousekeepingDrawsSeparately(t *testing.T) {
	i := netem.Impairment{Loss: 0.5, Corrupt: 0.5}
	quiet, busy := newDirection(1, netem.Link{}, 1, -1), newDirection(1, netem.Link{}, 1, -1)
	for n := range 100 {
		busy.dice(packet{upkeep: true}).roll(&i)
		if x, y := quiet.dice(packet{}).roll(&i), busy.dice(packet{}).roll(&i); x != y {
			t.Fatalf("fate %d is %+v, and %+v with housekeeping between", n, x, y)
		}
	}
}
