package run

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"testbed/observe"
	"testbed/observe/kernel"
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

// A socket whose end the tracer missed is one whose port it does not know, if it never
// got beyond SYN-SENT.
func TestASynSentWithoutAPort(t *testing.T) {
	at := time.Unix(1, 0)
	local, other, remote := netip.MustParseAddrPort("198.18.0.1:50000"), netip.MustParseAddrPort("198.18.0.1:50001"), netip.MustParseAddrPort("198.18.0.6:80")
	change := func(netns uint64, local netip.AddrPort, old, state observe.State) kernel.Change {
		return kernel.Change{Time: at, Netns: netns, Local: local, Remote: remote, Old: old, New: state}
	}
	portless := netip.AddrPortFrom(local.Addr(), 0)
	unknown := change(1, portless, observe.Closed, observe.SynSent)
	for _, c := range []struct {
		name    string
		changes []kernel.Change
		want    []observe.State
	}{
		{"nothing else is known of it", []kernel.Change{unknown}, []observe.State{observe.SynSent}},
		{"it may be one of two", []kernel.Change{unknown, unknown}, nil},
		{"it is another's, which never had one", []kernel.Change{unknown, change(1, portless, observe.SynSent, observe.Closed)}, nil},
		{"it is another namespace's", []kernel.Change{change(2, portless, observe.Closed, observe.SynSent)}, nil},
		{"it is another's, whose port is known", []kernel.Change{change(1, other, observe.Closed, observe.SynSent)}, nil},
		{"it is another's, as this one has its own", []kernel.Change{unknown, change(1, local, observe.Closed, observe.SynSent), change(1, local, observe.SynSent, observe.Closed)}, []observe.State{observe.SynSent, observe.Closed}},
	} {
		var got []observe.State
		for _, s := range trace(c.changes, 1, local, remote) {
			got = append(got, s.State)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
