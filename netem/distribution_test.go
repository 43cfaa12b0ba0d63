package netem

import (
	"fmt"
	"math"
	"testing"
)

// moments are the mean, the standard deviation and the skewness of a table, in
// Jitters.
func moments(table [DistSize]int16) (mean, deviation, skew float64) {
	for _, x := range table {
		mean += float64(x) / DistScale / DistSize
	}
	var second, third float64
	for _, x := range table {
		d := float64(x)/DistScale - mean
		second += d * d / DistSize
		third += d * d * d / DistSize
	}
	deviation = math.Sqrt(second)
	return mean, deviation, third / (second * deviation)
}

// The moments of Uniform and Normal are those of textbooks, the others' those of
// the tables that iproute2 6.1 installs.
func TestTablesHaveTheirMoments(t *testing.T) {
	for _, c := range []struct {
		d                     Distribution
		mean, deviation, skew float64
	}{
		{"", 0, 1 / math.Sqrt(3), 0},
		{Uniform, 0, 1 / math.Sqrt(3), 0},
		{Normal, 0, 1, 0},
		{Pareto, -0.0335, 0.8197, 2.672},
		{ParetoNormal, -0.0253, 0.8339, 1.936},
	} {
		t.Run(fmt.Sprintf("%q", c.d), func(t *testing.T) {
			mean, deviation, skew := moments(c.d.Table())
			if math.Abs(mean-c.mean) > 0.003 || math.Abs(deviation-c.deviation) > 0.005 || math.Abs(skew-c.skew) > 0.05 {
				t.Errorf("mean %.4f, standard deviation %.4f, skewness %.4f, want %+v", mean, deviation, skew, c)
			}
		})
	}
}

// TestQuantilesAreThoseOfTC compares with entries of the tables that iproute2
// installs, whose entry i is the quantile of i/4096.
func TestQuantilesAreThoseOfTC(t *testing.T) {
	for _, c := range []struct {
		d    Distribution
		at   int
		want float64
	}{
		{Normal, 1024, -5525}, {Normal, 2048, 0}, {Normal, 3072, 5526},
		{Pareto, 0, -5461}, {Pareto, 1024, -4362}, {Pareto, 2048, -2622}, {Pareto, 3072, 955},
		{ParetoNormal, 1024, -4652}, {ParetoNormal, 2048, -1966}, {ParetoNormal, 3072, 2097},
	} {
		got := DistScale * c.d.Quantile(float64(c.at)/DistSize)
		if math.Abs(got-c.want) > 2 {
			t.Errorf("%s entry %d is %.1f, want %v", c.d, c.at, got, c.want)
		}
	}
}

func TestQuantilesRiseWithinTheirBounds(t *testing.T) {
	for _, c := range []struct {
		d         Distribution
		low, high float64
	}{
		{Uniform, -1, 1}, {Normal, -4, 4}, {Pareto, -2. / 3, 4}, {ParetoNormal, -1.5, 4},
	} {
		last := math.Inf(-1)
		for _, u := range []float64{-1, 0, 1e-12, 0.001, 0.3, 0.5, 0.9, 0.9999, 1, 2} {
			x := c.d.Quantile(u)
			if !(x >= last) {
				t.Errorf("%s falls to %v at %v", c.d, x, u)
			}
			last = x
		}
		if low, high := c.d.Quantile(0), c.d.Quantile(1); math.Abs(low-c.low) > 1e-9 || math.Abs(high-c.high) > 1e-9 {
			t.Errorf("%s is between %v and %v, want %v and %v", c.d, low, high, c.low, c.high)
		}
	}
}
