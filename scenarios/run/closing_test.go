package run

import (
	"slices"
	"testing"
	"time"

	"testbed/observe"
	"testbed/scenarios/verdict"
)

// at are states that were entered a second apart, the first at a number of seconds.
func at(second int, states ...observe.State) (changes []observe.StateChange) {
	for i, s := range states {
		changes = append(changes, observe.StateChange{Time: time.Unix(int64(second+i), 0), State: s})
	}
	return changes
}

func TestStatesOfSocketsThatBecameSmaller(t *testing.T) {
	const (
		fw1, fw2, tw, closed = observe.FinWait1, observe.FinWait2, observe.TimeWait, observe.Closed
		closeWait, lastAck   = observe.CloseWait, observe.LastAck
	)
	for _, c := range []struct {
		name    string
		minimal bool
		// looked are the states that sock_diag showed, seen and derived those from
		// the tracepoint and from the packets.
		looked, seen, derived, want []observe.StateChange
	}{
		{"not smaller", false, at(1, closeWait, lastAck, closed), at(1, closeWait, lastAck, closed), nil, at(1, closeWait, lastAck, closed)},
		{"an orphan in FIN-WAIT-2", true, at(2, fw1, fw2, closed), at(1, fw1, fw2, closed), at(1, fw1, fw2),
			append(at(1, fw1, fw2), at(4, closed)...)},
		{"TIME-WAIT, which begins with a packet", true, append(at(2, fw1, fw2), at(9, tw, closed)...), at(1, fw1, fw2, closed), append(at(1, fw1, fw2), at(5, tw)...),
			append(at(1, fw1, fw2), append(at(5, tw), at(10, closed)...)...)},
		{"TIME-WAIT, its packet not seen", true, append(at(2, fw1, fw2), at(9, tw)...), at(1, fw1, fw2, closed), at(1, fw1, fw2),
			append(at(1, fw1, fw2), at(9, tw)...)},
		{"a FIN that is also an ACK, without a tracepoint", true, at(1, fw1, tw, closed), at(1, fw1, tw), at(1, fw1, tw),
			append(at(1, fw1, fw2), append(at(2, tw), at(3, closed)...)...)},
		{"a FIN that is also an ACK, the tracepoint's clock a little ahead", true, at(1, fw1, tw), at(1, fw1, fw2, closed), append(at(1, fw1), at(1, tw)...),
			append(at(1, fw1, fw2), at(2, tw)...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &closing{ends: []*closingEnd{{changes: c.looked, minimal: c.minimal}}}
			if got := w.complete(c.seen, c.derived, false); !slices.Equal(got, c.want) {
				t.Errorf("got %v, expected %v", got, c.want)
			}
			if got := w.complete(c.seen, c.derived, true); !slices.Equal(got, c.seen) {
				t.Errorf("the end that is not watched: got %v, expected %v", got, c.seen)
			}
		})
	}
	var none *closing
	if got := none.complete(at(1, fw1), nil, false); !slices.Equal(got, at(1, fw1)) {
		t.Errorf("nothing watched: got %v", got)
	}
}

func TestLasted(t *testing.T) {
	client, server := at(1, observe.FinWait1, observe.FinWait2, observe.Closed), at(1, observe.FinWait1, observe.FinWait2, observe.TimeWait, observe.Closed)
	for _, c := range []struct {
		name           string
		client, server []observe.StateChange
		state          observe.State
		want           *verdict.Lasted
	}{
		{"the client's", client, server, observe.FinWait2, &verdict.Lasted{Duration: time.Second}},
		{"the server's", client, server, observe.TimeWait, &verdict.Lasted{Duration: time.Second, Server: true}},
		{"neither's", client, nil, observe.TimeWait, nil},
		{"not over", at(1, observe.FinWait1, observe.FinWait2), nil, observe.FinWait2, nil},
	} {
		got := lasted(&verdict.Observation{ClientStates: c.client, ServerStates: c.server}, c.state)
		if (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%s: got %v, expected %v", c.name, got, c.want)
		}
	}
}

func TestTimeWaitThatTheTracepointTakesForClosed(t *testing.T) {
	const fw1, fw2, tw, closed = observe.FinWait1, observe.FinWait2, observe.TimeWait, observe.Closed
	for _, c := range []struct {
		name                string
		seen, derived, want []observe.StateChange
	}{
		{"TIME-WAIT", at(1, fw1, fw2, closed), at(1, fw1, fw2, tw), at(1, fw1, fw2, tw)},
		{"reset in FIN-WAIT-2", at(1, fw1, fw2, closed), at(1, fw1, fw2, closed), at(1, fw1, fw2, closed)},
		{"still open", at(1, fw1, fw2), at(1, fw1, fw2, tw), at(1, fw1, fw2)},
		{"nothing seen", nil, at(1, tw), nil},
	} {
		if got := withTimeWait(c.seen, c.derived); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, expected %v", c.name, got, c.want)
		}
	}
}
