package run

import (
	"context"
	"testing"

	"testbed/scenarios/spec"
	"testbed/topo"
)

// openEcho opens a lab of a client and a server that echoes on port 7.
func openEcho(t *testing.T) *Lab {
	t.Helper()
	lab, err := Open(t.Context(), &topo.Topology{
		Nodes: []topo.Node{{Name: "client", Role: topo.Host}, {Name: "server", Role: topo.Host, Listen: []topo.Listener{{Port: 7, Serve: topo.ServeEcho}}}},
		Links: []topo.Link{{Ends: [2]string{"client", "server"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lab.Close() })
	return lab
}

// A step that fails at once is as much under way as it will ever be: steps beside it
// need not wait until it has been observed.
func TestAStepThatFailsAtOnceIsUnderWay(t *testing.T) {
	far := "203.0.113.1" // to which no route leads
	lab := openEcho(t)
	if _, err := lab.Connect(t.Context(), spec.Connect{From: "client", Target: spec.Target{Host: "server", Port: 7}, Port: 5000, As: "kept"}); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]spec.Step{
		"EADDRINUSE":  {Connect: &spec.Connect{From: "client", Target: spec.Target{Host: "server", Port: 7}, Port: 5000}},
		"ENETUNREACH": {Connect: &spec.Connect{From: "client", Target: spec.Target{Host: far, Port: 7}}},
		"a request":   {HTTP: &spec.HTTP{From: "client", Target: spec.Target{Host: far, Port: 80}, URL: "http://" + far + "/", Path: "/"}},
		"a scan":      {Scan: &spec.Scan{From: "client", Host: far, Ports: []uint16{80}}},
	} {
		told := false
		o, err := lab.Do(whenUnderWay(t.Context(), func() { told = true }), &s)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !told {
			t.Errorf("%s: not told, and it ended as %s %s", name, o.Outcome, o.Errno)
		}
	}
}

// Of a step that is repeated, beside others or not, no connection is left open: they
// would pile up.
func TestRepetitionsCloseEach(t *testing.T) {
	lab := openEcho(t)
	for repeat, want := range map[int]int{0: 1, 3: 0} {
		var open leftOpen
		s := spec.Step{Connect: &spec.Connect{From: "client", Target: spec.Target{Host: "server", Port: 7}}, Repeat: repeat}
		if _, err := lab.Do(context.WithValue(t.Context(), leftOpenKey{}, &open), &s); err != nil {
			t.Fatal(err)
		}
		if got := len(open.conns); got != want {
			t.Errorf("repeat: %d leaves %d open, want %d", repeat, got, want)
		}
		open.close()
	}
}
