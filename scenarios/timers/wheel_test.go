package timers

import "testing"

// The ranges are those that kernel/time/timer.c lists for 250 ticks a second, where
// a level begins at the last delta of the one below.
func TestGranularityOfTheWheel(t *testing.T) {
	for _, c := range []struct{ ticks, granularity int }{
		{1, 1}, {62, 1}, {63, 8}, {250, 8}, {500, 8}, {503, 8}, {504, 64}, {4000, 64}, {4031, 64}, {4032, 512},
		{15000, 512}, {32255, 512}, {32256, 4096}, {1_800_000, 32768},
	} {
		if got := granularity(c.ticks); got != c.granularity {
			t.Errorf("a timer due in %d ticks: granularity %d, expected %d", c.ticks, got, c.granularity)
		}
	}
}

func TestExpireOnlyRoundsUp(t *testing.T) {
	for _, timeout := range []int{1, 62, 63, 64, 250, 503, 504, 505, 4000, 15000, 40000} {
		for now := range 5000 {
			for ahead := range 2 {
				late := expire(now, timeout, ahead) - now - timeout
				if late < 1 || late > granularity(timeout) {
					t.Fatalf("armed at %d for %d ticks, fired %d ticks late", now, timeout, late)
				}
			}
		}
	}
}
