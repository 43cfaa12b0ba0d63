package verdict

import (
	"strings"
	"testing"

	"testbed/scenarios/spec"
)

func TestFlood(t *testing.T) {
	exactly := func(n int) *spec.Count { return &spec.Count{Value: n} }
	least := func(n int) spec.Count { return spec.Count{Bound: spec.AtLeast, Value: n} }
	for name, c := range map[string]struct {
		expect spec.Expect
		errno  string
		wrong  string // what the note of the check that fails has, empty if none does
	}{
		"as expected":      {expect: spec.Expect{Sent: exactly(500), Arrived: exactly(400), Answered: exactly(13), Counters: map[string]spec.Count{"ListenDrops": least(387), "SyncookiesSent": {}}}},
		"nothing expected": {},
		"not sent":         {errno: "EPERM", wrong: "EPERM"},
		"sent":             {expect: spec.Expect{Sent: exactly(501)}, wrong: "expected sent 501, observed 500"},
		"arrived":          {expect: spec.Expect{Arrived: exactly(500)}, wrong: "expected arrived 500, observed 400 (the capture missed 7 frames)"},
		"answered":         {expect: spec.Expect{Answered: exactly(500)}, wrong: "expected answered 500, observed 13"},
		"counters":         {expect: spec.Expect{Counters: map[string]spec.Count{"ListenDrops": least(388), "SyncookiesSent": {}}}, wrong: "expected ListenDrops >= 388, observed 387"},
		"unknown counter":  {expect: spec.Expect{Counters: map[string]spec.Count{"TCPReqQFullDrop": {}}}, wrong: "TCPReqQFullDrop 0, observed unknown to this kernel"},
	} {
		t.Run(name, func(t *testing.T) {
			o := &Observation{Kind: Flood, Unseen: 7, Errno: c.errno, Flood: &FloodResult{
				Sent: 500, Arrived: 400, Answered: 13, Counters: map[string]uint64{"ListenDrops": 387, "SyncookiesSent": 0},
			}}
			v := Judge(&spec.Step{Expect: &c.expect}, o)
			if v.OK != (c.wrong == "") {
				t.Fatalf("ok %t: %+v", v.OK, v.Checks)
			}
			for _, x := range v.Checks {
				if !x.OK && !strings.Contains(x.Note, c.wrong) {
					t.Errorf("%s: %q, want %q", x.Key, x.Note, c.wrong)
				}
			}
		})
	}
}
