package netem

import (
	"testing"
	"time"
)

func TestMaxJitter(t *testing.T) {
	for d, want := range map[Distribution]time.Duration{"": 5, Uniform: 5, Normal: 20, Pareto: 20, ParetoNormal: 20} {
		i := Impairment{Delay: time.Second, Jitter: 5 * time.Millisecond, Distribution: d}
		if got := i.MaxJitter(); got != want*time.Millisecond {
			t.Errorf("%q: %v, want %dms", d, got, want)
		}
	}
	if got := (Impairment{}).MaxJitter(); got != 0 {
		t.Errorf("without jitter: %v", got)
	}
}

func TestSerialization(t *testing.T) {
	for _, c := range []struct {
		rate  uint64
		bytes int
		want  time.Duration
	}{
		{0, 1514, 0}, {64_000, 1514, 189250 * time.Microsecond}, {8, 1, time.Second}, {1e12, 1514, 13}, {10_000_000, 74, 59200}, {64_000, 0, 0},
	} {
		if got := Serialization(c.rate, c.bytes); got != c.want {
			t.Errorf("%d bytes at %d bit/s: %v, want %v", c.bytes, c.rate, got, c.want)
		}
	}
}
