package netem

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name string
		i    Impairment
		want []string
	}{
		{"zero", Impairment{}, nil},
		{"jitter above delay", Impairment{Delay: time.Millisecond, Jitter: time.Second}, nil},
		{"certain", Impairment{Loss: 1, Duplicate: 1, MTU: 1}, nil},
		{"negative", Impairment{Delay: -1, Jitter: -1, Loss: -0.1, Duplicate: -1, MTU: -1}, []string{"delay", "jitter", "loss", "duplicate", "mtu"}},
		{"beyond one", Impairment{Loss: 1.01, Duplicate: 2}, []string{"loss", "duplicate"}},
		{"not a number", Impairment{Loss: math.NaN()}, []string{"loss"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.i.Validate()
			if (err != nil) != (c.want != nil) {
				t.Fatalf("Validate() = %v, want complaints about %v", err, c.want)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("Validate() = %v, lacks %s", err, w)
				}
			}
		})
	}
}
