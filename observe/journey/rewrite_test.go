package journey_test

import (
	"reflect"
	"testing"

	"testbed/observe"
	"testbed/observe/journey"
	"testbed/topo"
)

// TestRewrites wants what a router took out of two packets told once, and nothing
// of a packet that it left alone.
func TestRewrites(t *testing.T) {
	r := newRecord(t, chain(topo.Rule{Name: "no-ts", Hook: topo.Forward, Action: topo.Strip, Options: []topo.TCPOption{topo.OptionTimestamps}}))
	for i := range uint16(3) {
		s := r.syn()
		s.seq, s.id = uint32(i)*1000, i
		r.path(s, "client", "fw")
		s.bare = i < 2
		r.path(s.hop(1), "fw", "server")
	}
	want := []observe.Rewrite{{Node: "fw", Field: "timestamps", From: "yes", To: observe.Absent, Flags: topo.SYN, Packets: 2}}
	if got := journey.Rewrites(r.plan, r.trace()); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
