package run

import (
	"testing"
	"time"

	"testbed/observe"
	"testbed/scenarios/verdict"
)

// A socket that failed and was not seen to end was not seen in full.
func TestAnEndThatTheTracepointMissed(t *testing.T) {
	sent := []observe.StateChange{{State: observe.SynSent}}
	ended := append(sent, observe.StateChange{State: observe.Closed})
	failed := &verdict.Observation{Kind: verdict.Connect, Began: time.Now(), Errno: "ETIMEDOUT"}
	for _, c := range []struct {
		name          string
		o             *verdict.Observation
		seen, derived []observe.StateChange
		want          bool
	}{
		{"nothing was seen", failed, nil, ended, true},
		{"its end was not seen", failed, sent, ended, true},
		{"all was seen", failed, ended, ended, false},
		{"it sent nothing", failed, nil, nil, false},
		{"it did not fail", &verdict.Observation{Kind: verdict.Connect, Began: time.Now()}, sent, ended, false},
	} {
		if got := missed(c.o, c.seen, c.derived); got != c.want {
			t.Errorf("%s: missed %t, want %t", c.name, got, c.want)
		}
	}
}
