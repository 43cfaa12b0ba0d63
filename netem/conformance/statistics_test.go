package conformance

import (
	"math"
	"math/rand/v2"
	"testing"

	"testbed/netem"
)

var all = []netem.Distribution{netem.Uniform, netem.Normal, netem.Pareto, netem.ParetoNormal}

// TestDepartureTellsDistributionsApart: draws of one are within the band of that
// one, and of no other, even if each may be late by a tenth of a Jitter.
func TestDepartureTellsDistributionsApart(t *testing.T) {
	const n = 2000
	r := rand.New(rand.NewPCG(1, 2))
	for _, drawn := range all {
		jitters := make([]float64, n)
		for i := range jitters {
			jitters[i] = drawn.Quantile(r.Float64())
		}
		for _, d := range all {
			early, tardy := departure(jitters, d, 0.1)
			if within := early <= band(n) && tardy <= band(n); within != (d == drawn) {
				t.Errorf("draws of %s depart from %s by %.3f and %.3f, the band is %.3f", drawn, d, early, tardy, band(n))
			}
		}
	}
}

func TestDepartureAllowsForLateness(t *testing.T) {
	jitters := make([]float64, 1000)
	for i := range jitters {
		jitters[i] = netem.Normal.Quantile((float64(i)+0.5)/1000) + 0.2
	}
	if early, tardy := departure(jitters, netem.Normal, 0.2); early > 0.001 || tardy > 0.001 {
		t.Errorf("draws that are late depart by %.3f and %.3f", early, tardy)
	}
	if _, tardy := departure(jitters, netem.Normal, 0); math.Abs(tardy-0.08) > 0.01 {
		t.Errorf("with no allowance they depart by %.3f, want 0.08", tardy)
	}
}

func TestCumulativeInvertsQuantile(t *testing.T) {
	for _, d := range all {
		for _, u := range []float64{0.01, 0.3, 0.5, 0.77, 0.95} {
			if got := cumulative(d, d.Quantile(u)); math.Abs(got-u) > 1e-9 {
				t.Errorf("%s: the share below the quantile of %v is %v", d, u, got)
			}
		}
		if low, high := cumulative(d, -9), cumulative(d, 9); low != 0 || math.Abs(high-1) > 1e-9 {
			t.Errorf("%s goes from %v to %v", d, low, high)
		}
	}
}

func TestAgreementCountsNeighbours(t *testing.T) {
	if same, pairs := agreement([]float64{1, 2, -1, -3, -2, 4}); same != 3 || pairs != 5 {
		t.Errorf("%d of %d agree, want 3 of 5", same, pairs)
	}
	if got := agreementOf(0.5); math.Abs(got-2./3) > 1e-12 {
		t.Errorf("a correlation of 1/2 agrees in %v, want 2/3", got)
	}
}
