package run

import (
	"slices"
	"testing"
	"time"

	"testbed/observe"
	"testbed/scenarios/verdict"
)

// The end of a socket that failed is known without the tracepoint, and nothing else is.
func TestAnEndThatTheTracepointMissed(t *testing.T) {
	at := time.Unix(1, 0)
	sent, early := observe.StateChange{Time: at, State: observe.SynSent}, observe.StateChange{Time: at.Add(-1), State: observe.SynSent}
	ended := observe.StateChange{Time: at.Add(time.Second), State: observe.Closed}
	established := observe.StateChange{Time: at, State: observe.Established}
	type states = []observe.StateChange
	failed := &verdict.Observation{Kind: verdict.Connect, Began: at, Errno: "ETIMEDOUT"}
	for _, c := range []struct {
		name          string
		o             *verdict.Observation
		seen, derived states
		want          states
		ok            bool
	}{
		{"nothing was seen", failed, nil, states{sent, ended}, nil, false},
		{"its end was not seen", failed, states{early}, states{sent, ended}, states{early, ended}, true},
		{"another state was not seen either", failed, states{early}, states{sent, established, ended}, nil, false},
		{"all was seen", failed, states{early, ended}, states{sent, ended}, states{early, ended}, true},
		{"it sent nothing", failed, nil, nil, nil, true},
		{"it did not fail", &verdict.Observation{Kind: verdict.Connect, Began: at}, states{early}, states{sent, ended}, states{early}, true},
	} {
		if got, ok := toEnd(c.o, c.seen, c.derived); !slices.Equal(got, c.want) || ok != c.ok {
			t.Errorf("%s: %v, %t, want %v, %t", c.name, got, ok, c.want, c.ok)
		}
	}
}
