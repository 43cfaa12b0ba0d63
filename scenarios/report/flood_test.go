package report

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
)

func floodResult(f verdict.FloodResult) *verdict.Result {
	o := &verdict.Observation{
		Step: 1, Kind: verdict.Flood, Title: "flood server:80 from attacker", From: "attacker", Target: "server", Flood: &f,
		Remote: netip.MustParseAddrPort("198.18.0.2:80"), Began: began, Elapsed: 2 * time.Second,
	}
	step := &spec.Step{Line: 9, Flood: &spec.Flood{From: "attacker", Target: spec.Target{Host: "server", Port: 80}}}
	return &verdict.Result{Scenario: &spec.Scenario{Name: "flood"}, Steps: []verdict.StepResult{{Step: step, Observation: o, Verdict: verdict.Judge(step, o)}}}
}

func TestFloodStory(t *testing.T) {
	for name, c := range map[string]struct {
		flood verdict.FloodResult
		want  []string
	}{
		"a full queue": {
			verdict.FloodResult{From: "203.0.113.0/24", Spoofed: true, Sent: 1000, Arrived: 1000, Answered: 13, Counters: map[string]uint64{"ListenDrops": 987}},
			[]string{"attacker sent 1000 SYNs to server:80 from addresses of 203.0.113.0/24 that are not its own in 2s, 500 a second.",
				"server received all of them and answered 13 with a SYN-ACK.", "server dropped 987 SYNs, of whomever, because its queue of half-open connections was full"},
		},
		"cookies": {
			verdict.FloodResult{From: "203.0.113.0/24", Spoofed: true, Sent: 1000, Arrived: 900, Answered: 900, Counters: map[string]uint64{"SyncookiesSent": 880, "SyncookiesRecv": 4, "SyncookiesFailed": 1}},
			[]string{"server received 900 of them and answered 900", "it sent 880 SYN cookies, for which it keeps no state; 4 came back in an ACK and made a connection, 1 ACK had none that is valid."},
		},
		"kept away": {
			verdict.FloodResult{From: "10.0.0.1/32", Sent: 10, Failed: 5, Errno: "EPERM"},
			[]string{"from its own address", "5 more were not taken by its own kernel (EPERM)", "None of them reached server."},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := floodResult(c.flood)
			got := ExplainStep(r, &r.Steps[0])
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in:\n%s", want, got)
				}
			}
		})
	}
}

func TestFloodJSON(t *testing.T) {
	var b bytes.Buffer
	r := floodResult(verdict.FloodResult{From: "203.0.113.0/24", Spoofed: true, Background: true, Sent: 5, Arrived: 4, Answered: 3, Counters: map[string]uint64{"ListenDrops": 2}})
	if err := JSON(&b, []*verdict.Result{r}); err != nil {
		t.Fatal(err)
	}
	var d Document
	if err := json.Unmarshal(b.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	f := d.Scenarios[0].Steps[0].Flood
	if f == nil || f.Sent != 5 || f.Arrived != 4 || f.Answered != 3 || !f.Spoofed || !f.Background || f.Counters["ListenDrops"] != 2 || f.From != "203.0.113.0/24" {
		t.Errorf("%+v", f)
	}
}
