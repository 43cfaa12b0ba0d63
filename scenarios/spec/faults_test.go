package spec

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"testbed/netem"
)

const faulty = `
name: faulty
nodes: {a: {}, b: {}}
links:
  - between: [a, b]
    faults: [{match: {flags: SYN-ACK, nth: 2}, do: drop}]
    toward:
      b:
        faults:
          - {name: late, match: {proto: tcp, dport: 80-81, payload: ">= 1", nth: "< 4", after: 1s}, do: delay, by: 500ms}
          - {match: {proto: udp, sport: 53, payload: 0, nth: 2..4, during: 1s..3s}, do: duplicate}
          - {match: {flags: ACK-FIN, nth: "> 1"}, do: reset, to: receiver}
          - {do: corrupt}
steps:
  - {set: {link: [a, b], delay: 5ms}}
  - {set: {link: [b, a], toward: {b: {faults: []}}}}
  - {set: {link: [a, b], faults: [{name: all, do: drop}]}}
`

func TestFaults(t *testing.T) {
	s := mustDecode(t, faulty)
	exactly := func(low, high int) netem.Range { return netem.Range{Limited: true, Min: low, Max: high} }
	second := netem.Faults{{Name: "fault-1", Pick: netem.Pick{Proto: "tcp", Flags: 0x12, Nth: exactly(2, 2)}, Do: netem.DropPacket}}
	want := [2]*netem.Faults{&second, {
		{Name: "late", Pick: netem.Pick{Proto: "tcp", Dport: exactly(80, 81), Payload: exactly(1, math.MaxInt32), Nth: exactly(0, 3), After: time.Second}, Do: netem.DelayPacket, By: 500 * time.Millisecond},
		{Name: "fault-2", Pick: netem.Pick{Proto: "udp", Sport: exactly(53, 53), Payload: exactly(0, 0), Nth: exactly(2, 4), After: time.Second, Until: 3 * time.Second}, Do: netem.DuplicatePacket},
		{Name: "fault-3", Pick: netem.Pick{Proto: "tcp", Flags: 0x11, Nth: exactly(2, math.MaxInt32)}, Do: netem.ResetConnection, Answer: netem.ResetReceiver},
		{Name: "fault-4", Do: netem.CorruptPacket},
	}}
	built := s.Topology.Links[0].Toward
	if d := cmp.Diff(want, [2]*netem.Faults{built[0].Faults, built[1].Faults}); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for _, i := range built {
		if err := i.Validate(); err != nil {
			t.Error(err)
		}
	}
	// A medium goes on counting as long as a direction has the same list.
	delayed, lifted, all := s.Steps[0].Set.Toward, s.Steps[1].Set.Toward, s.Steps[2].Set.Toward
	if delayed[0].Faults != built[0].Faults || delayed[1].Faults != built[1].Faults {
		t.Error("a change of the delay changes the faults")
	}
	if lifted[0].Faults != built[0].Faults || lifted[1].Faults != nil {
		t.Errorf("faults: [] toward b leaves %v and %v", lifted[0].Faults, lifted[1].Faults)
	}
	if all[0].Faults == built[0].Faults || (*all[1].Faults)[0].Name != "all" {
		t.Errorf("new faults leave %v and %v", all[0].Faults, all[1].Faults)
	}
	if got, want := s.Steps[2].Set.Text, "link a – b: faults all (drop)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A link can have sent a segment once something has given it a fault, and where a
// change of it was refused nothing is said about that.
func TestLinksThatSend(t *testing.T) {
	const (
		head    = "name: x\nnodes: {a: {}, b: {listen: [{port: 7, serve: echo}]}}\nlinks: [{between: [a, b]}]\n"
		connect = "  - {connect: \"b:7\", from: a, expect: {reset_by: [b, a], segments: [{from: a-b}, \"...\"]}}\n"
		fault   = "{link: [a, b], toward: {a: {faults: [{match: {flags: SYN}, do: %s}]}}}\n"
		nothing = "has had no fault"
	)
	mutated := head + "mutations:\n  - " + fault + "steps:\n" + connect
	changed := head + "steps:\n  - set: " + fault + connect
	for _, src := range []string{mutated, changed} {
		mustDecode(t, fmt.Sprintf(src, "reset"))
		_, err := Decode("x.yaml", fmt.Appendf(nil, src, "rest"))
		if err == nil || strings.Contains(err.Error(), nothing) {
			t.Errorf("got %v, expected only the fault's mistake", err)
		}
	}
	for _, src := range []string{head + "steps:\n" + connect, head + "steps:\n" + connect + "  - set: " + fmt.Sprintf(fault, "reset")} {
		if _, err := Decode("x.yaml", []byte(src)); err == nil || strings.Count(err.Error(), nothing) != 2 {
			t.Errorf("got %v, expected %q twice", err, nothing)
		}
	}
}
