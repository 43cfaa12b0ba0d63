package qdisc

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"testbed/netem"
	"testbed/topo/sandbox"
)

// A kernel that lacks something is told what, and how to get it.
func TestSupported(t *testing.T) {
	_, err := Supported()
	if err == nil {
		t.Skip("this kernel has all of it")
	}
	var missing *sandbox.Unavailable
	if !errors.As(err, &missing) {
		t.Fatalf("%v is no Unavailable", err)
	}
	for _, text := range []string{missing.Missing, missing.Remedy, missing.Err.Error()} {
		if !strings.Contains(text, "sch_") && !strings.Contains(text, "act_") && !strings.Contains(text, "cls_") {
			t.Errorf("%q names no module", text)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name string
		i    netem.Impairment
		want []string
	}{
		{"what it can", netem.Impairment{
			Delay: time.Hour, Jitter: math.MaxInt32, Distribution: netem.Pareto, Loss: 0.1, LossCorrelation: 0.9, Duplicate: 0.1, Reorder: 0.1,
			MTU: 100, Down: true,
		}, nil},
		{"a rate", netem.Impairment{Rate: 1, Queue: netem.Queue{Frames: 1}, Loss: 0.1}, nil},
		{"corrupt", netem.Impairment{Corrupt: 0.1}, []string{"corruption", "Ethernet headers"}},
		{"faults", netem.Impairment{Faults: &netem.Faults{{Name: "x", Do: netem.DropPacket}}}, []string{"faults of single packets", "by chance alone"}},
		{"no faults", netem.Impairment{Faults: &netem.Faults{}}, nil},
		{"correlation of no jitter", netem.Impairment{JitterCorrelation: 0.5}, nil},
		{"correlation", netem.Impairment{Jitter: 1, JitterCorrelation: 0.5}, []string{"correlated jitter"}},
		{"bytes", netem.Impairment{Rate: 1, Queue: netem.Queue{Bytes: 1}}, []string{"queue in bytes"}},
		{"all at once", netem.Impairment{Rate: 1, Loss: 0.1, Duplicate: 0.1}, []string{"loses and duplicates"}},
		{"long jitter", netem.Impairment{Delay: time.Minute, Jitter: 3 * time.Second}, []string{"jitter of 3s", "2.147483647s"}},
		{"before the machine booted", netem.Impairment{Jitter: math.MaxInt32, Distribution: netem.Normal, Delay: -300 * 24 * time.Hour}, []string{"early"}},
		{"two things", netem.Impairment{Corrupt: 0.1, Rate: 1, Queue: netem.Queue{Bytes: 1}}, []string{"corruption", "no queue in bytes"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Check(c.i)
			if (err == nil) != (c.want == nil) {
				t.Fatalf("Check() = %v, want something about %q", err, c.want)
			}
			var missing *sandbox.Unavailable
			if err != nil && (!errors.Is(err, errors.ErrUnsupported) || !errors.As(err, &missing)) {
				t.Errorf("%v is not the kernel's lack", err)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("Check() = %v, lacks %q", err, w)
				}
			}
		})
	}
}
