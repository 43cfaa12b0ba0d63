package netem

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	bursts := GilbertElliott{ToBad: 0.01, ToGood: 0.3, LossBad: 1}
	for _, c := range []struct {
		name string
		i    Impairment
		want []string
	}{
		{"zero", Impairment{}, nil},
		{"jitter above delay", Impairment{Delay: time.Millisecond, Jitter: time.Second}, nil},
		{"certain", Impairment{Loss: 1, Duplicate: 1, MTU: 1, Corrupt: 1, Delay: 1, Reorder: 1, JitterCorrelation: 1}, nil},
		{"all that goes together", Impairment{
			Delay: 1, Jitter: 1, Distribution: Pareto, JitterCorrelation: 0.5, Bursts: bursts, Reorder: 0.1,
			Corrupt: 0.1, Rate: 1, Queue: Queue{Frames: 1, Bytes: 1},
		}, nil},
		{"negative", Impairment{Delay: -1, Jitter: -1, Loss: -0.1, Duplicate: -1, MTU: -1}, []string{"delay", "jitter", "loss", "duplicate", "mtu"}},
		{"negative queue", Impairment{Rate: 1, Queue: Queue{-1, -1}}, []string{"queue frames -1", "queue bytes -1"}},
		{"beyond one", Impairment{Loss: 1.01, Duplicate: 2}, []string{"loss", "duplicate"}},
		{"the new ones beyond one", Impairment{Delay: 1, JitterCorrelation: 2, LossCorrelation: 2, Reorder: 2, Corrupt: 2},
			[]string{"jitter correlation 2", "loss correlation 2", "reorder 2", "corrupt 2"}},
		{"bursts beyond one", Impairment{Bursts: GilbertElliott{2, 3, 4, 5}},
			[]string{"bursts to bad 2", "bursts to good 3", "bursts loss in bad 4", "bursts loss in good 5"}},
		{"not a number", Impairment{Loss: math.NaN()}, []string{"loss"}},
		{"an unknown distribution", Impairment{Distribution: "gamma"}, []string{`"gamma"`}},
		{"loss that never changes", Impairment{Loss: 0.5, LossCorrelation: 1}, []string{"loss correlation 1"}},
		{"bursts and loss", Impairment{Bursts: bursts, Loss: 0.1}, []string{"bursts"}},
		{"bursts and correlation", Impairment{Bursts: bursts, LossCorrelation: 0.1}, []string{"bursts"}},
		{"reorder without delay", Impairment{Reorder: 0.1, Jitter: 1}, []string{"reorder"}},
		{"faults", Impairment{Faults: &Faults{
			{Name: "a", Do: DropPacket}, {Name: "b", Do: DelayPacket, By: 1, Pick: Pick{After: 1, Until: 2}}, {Name: "c", Do: ResetConnection, Answer: ResetSender},
		}}, nil},
		{"wrong faults", Impairment{Faults: &Faults{
			{Name: "a"}, {Name: "b", Do: DropPacket, By: 1}, {Name: "c", Do: DropPacket, Answer: ResetBoth}, {Name: "d", Do: CorruptPacket, Pick: Pick{After: 2, Until: 1}},
		}}, []string{"fault a", "drop by", "drop answers", "until"}},
		{"queue without rate", Impairment{Queue: Queue{Bytes: 1}}, []string{"queue"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.i.Validate()
			if (err != nil) != (c.want != nil) {
				t.Fatalf("Validate() = %v, want complaints about %v", err, c.want)
			}
			if err != nil && strings.Count(err.Error(), "\n")+1 != len(c.want) {
				t.Errorf("Validate() = %v, want %d complaints", err, len(c.want))
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("Validate() = %v, lacks %s", err, w)
				}
			}
		})
	}
}
