package verdict

import (
	"fmt"
	"strings"
	"testing"

	"testbed/agents"
	"testbed/observe"
	"testbed/scenarios/spec"
)

// TestPlainSuccess tells when success is checked without being named.
func TestPlainSuccess(t *testing.T) {
	alive := []observe.State{observe.SynSent, observe.Established}
	for _, c := range []struct {
		name   string
		obs    *Observation
		expect *spec.Expect
		want   string
	}{
		{"connect", connected(), nil, "outcome ok"},
		{"connect that failed", dropped(), nil, "outcome violated"},
		{"a time alone", connected(), &spec.Expect{ConnectTime: bound(spec.AtLeast, "", 1, spec.RTT)}, "outcome ok, connect_time ok"},
		{"an error implies the failure", dropped(), &spec.Expect{Error: "ETIMEDOUT"}, "error ok"},
		{"states imply the failure", dropped(), &spec.Expect{States: &spec.States{Client: []observe.State{observe.SynSent, observe.Closed}}}, "states ok"},
		{"states with ESTABLISHED do not", dropped(), &spec.Expect{States: &spec.States{Client: alive}}, "outcome violated, states violated"},
		{"a handshake of SYN alone implies it", dropped(), &spec.Expect{Handshake: []string{"SYN"}}, "handshake ok"},
		{"no SYN-ACK implies it", dropped(), &spec.Expect{Packets: map[string]spec.Count{"syn_ack": {}}}, "packets ok"},
		{"dropped packets do not", dropped(), &spec.Expect{Dropped: &spec.Dropped{Node: "fw"}}, "outcome violated, dropped ok"},
		{"http", &Observation{Kind: HTTP, Outcome: agents.Connected, Status: 301}, nil, "status ok"},
		{"http cut", &Observation{Kind: HTTP, Outcome: agents.Failed, Status: 200}, nil, "status violated"},
		{"http cut, status named", &Observation{Kind: HTTP, Outcome: agents.Reset, Status: 200}, &spec.Expect{Status: &spec.Count{Value: 200}}, "outcome violated, status ok"},
		{"http cut as expected", &Observation{Kind: HTTP, Outcome: agents.Reset, Status: 200}, &spec.Expect{Outcome: agents.Reset}, "outcome ok"},
		{"http error", &Observation{Kind: HTTP, Outcome: agents.Connected, Status: 404}, nil, "status violated"},
		{"http unanswered", &Observation{Kind: HTTP, Outcome: agents.Connected}, &spec.Expect{Outcome: agents.Connected}, "status violated, outcome ok"},
		{"http refused as expected", &Observation{Kind: HTTP, Outcome: agents.Refused}, &spec.Expect{Outcome: agents.Refused}, "outcome ok"},
		{"exec", &Observation{Kind: Exec}, nil, "exit ok"},
		{"exec that failed", &Observation{Kind: Exec, Exit: 1}, &spec.Expect{Stdout: &spec.Text{}}, "exit violated, stdout ok"},
		{"exchange", &Observation{Kind: Exchange, Outcome: agents.Answered}, nil, "outcome ok"},
		{"exchange cut", &Observation{Kind: Exchange, Outcome: agents.Closed}, nil, "outcome violated"},
		{"await", &Observation{Kind: Await, Outcome: agents.Closed}, nil, "outcome ok"},
		{"await, given up by the kernel", &Observation{Kind: Await, Outcome: agents.TimedOut, Errno: "ETIMEDOUT"}, nil, "outcome ok"},
		{"await in vain", &Observation{Kind: Await, Outcome: agents.TimedOut, Deadline: true}, nil, "outcome violated"},
		{"the kernel's schedule implies the failure", gaveUp(7130 * ms), &spec.Expect{SynTimes: []spec.Term{{Unit: spec.KernelSchedule}}}, "syn_times ok"},
		{"so does the kernel's timeout", gaveUp(7130 * ms), &spec.Expect{Elapsed: word(spec.About, spec.SynTimeout)}, "elapsed ok"},
		{"but not as a bound", gaveUp(7130 * ms), &spec.Expect{Elapsed: word(spec.AtMost, spec.SynTimeout)}, "outcome violated, elapsed ok"},
		{"wait", &Observation{Kind: Wait}, nil, "outcome ok"},
		{"close that failed", &Observation{Kind: Close, Errno: "ENOTCONN"}, nil, "outcome violated"},
		{"set", &Observation{Kind: Set, Elapsed: ms}, &spec.Expect{Elapsed: bound(spec.AtMost, "", 1e6, "")}, "outcome ok, elapsed ok"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if s := told(Judge(&spec.Step{Expect: c.expect}, c.obs)); s != c.want {
				t.Errorf("got %s, want %s", s, c.want)
			}
		})
	}
}

// TestOrder holds the checks of everything at once against the contract's
// order.
func TestOrder(t *testing.T) {
	d, n, s := about("1s", 1e9, ""), &spec.Count{}, &spec.Text{}
	v := Judge(&spec.Step{Expect: &spec.Expect{
		Outcome: agents.Connected, Error: "EPERM", ConnectTime: d, AcceptTime: d, Elapsed: d, TLSTime: d, FirstByteTime: d,
		Handshake: []string{"SYN"}, Packets: map[string]spec.Count{"syn": {}}, SynTimes: terms(0), States: &spec.States{},
		SeenFrom: "a", Dropped: &spec.Dropped{}, Status: n, Exit: n, Stdout: s, Stderr: s,
	}}, connected())
	var keys []string
	for _, c := range v.Checks {
		keys = append(keys, c.Key)
	}
	want := "[outcome error status exit connect_time accept_time elapsed tls_time first_byte_time " +
		"handshake packets syn_times states seen_from dropped stdout stderr]"
	if got := fmt.Sprint(keys); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// told is each check's key and how it came out.
func told(v Verdict) string {
	var got []string
	for _, k := range v.Checks {
		got = append(got, k.Key+map[bool]string{true: " ok", false: " violated"}[k.OK])
	}
	return strings.Join(got, ", ")
}
