package netem

import (
	"math"
	"testing"
)

func TestLossesKeepTheirShare(t *testing.T) {
	for _, c := range []struct {
		i    Impairment
		want float64
	}{
		{Impairment{}, 0},
		{Impairment{Loss: 0.3}, 0.3},
		{Impairment{Loss: 0.3, LossCorrelation: 0.5}, 0.3},
		{Impairment{Loss: 1, LossCorrelation: 0.5}, 1},
		{Impairment{Bursts: GilbertElliott{ToBad: 0.1, ToGood: 0.3, LossBad: 0.8, LossGood: 0.04}}, 0.2 + 0.03},
		{Impairment{Bursts: GilbertElliott{ToGood: 0.3, LossBad: 0.8, LossGood: 0.04}}, 0.04},
	} {
		if got := c.i.Losses().Mean(); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%+v loses %v, want %v", c.i, got, c.want)
		}
	}
}

// TestCorrelatedLossIsCorrelated: of a two-state chain, the correlation of
// neighbours is what the two probabilities of a change leave of 1.
func TestCorrelatedLossIsCorrelated(t *testing.T) {
	g := Impairment{Loss: 0.3, LossCorrelation: 0.6}.Losses()
	if got := 1 - g.ToBad - g.ToGood; math.Abs(got-0.6) > 1e-12 || g.LossBad != 1 || g.LossGood != 0 {
		t.Errorf("the model is %+v, with a correlation of %v, want 0.6", g, got)
	}
}
