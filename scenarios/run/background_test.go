package run_test

import (
	"strings"
	"testing"
	"time"

	"testbed/agents"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

// background starts a program on the server of a network.
func background(t *testing.T, e spec.Exec) *verdict.Observation {
	t.Helper()
	topology := named()
	topology.Nodes[3].Listen = []topo.Listener{{Port: 80, Serve: topo.ServeEcho}}
	e.From, e.Background = "server", true
	o, err := open(t, topology).Exec(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestAProgramInTheBackground(t *testing.T) {
	goesOn := spec.Exec{Args: []string{"sleep", "1000"}}
	for _, c := range []struct {
		name string
		exec spec.Exec
		ok   bool
		want string
	}{
		{"it goes on", goesOn, true, "running"},
		{"somebody listens", spec.Exec{Args: goesOn.Args, Ready: 80}, true, "listening on port 80"},
		{"nobody does", spec.Exec{Args: goesOn.Args, Ready: 81, Timeout: 50 * time.Millisecond}, false, "not listening"},
		{"it ends before", spec.Exec{Args: []string{"sh", "-c", "exit 3"}, Ready: 81}, false, "ended"},
		{"there is none", spec.Exec{Args: []string{"no-such-program"}, Ready: 81}, false, "ended"},
	} {
		o := background(t, c.exec)
		v := verdict.Judge(&spec.Step{Exec: &c.exec}, o)
		if v.OK != c.ok || v.Checks[0].Observed != c.want {
			t.Errorf("%s: %+v", c.name, v.Checks)
		}
		if c.name == "it ends before" && (o.Exit != 3 || o.Outcome != agents.Failed) || c.name == "there is none" && !strings.Contains(o.Detail, "no-such-program") {
			t.Errorf("%s: exit %d, %s: %s", c.name, o.Exit, o.Outcome, o.Detail)
		}
	}
}
