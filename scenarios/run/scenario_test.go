package run_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"testbed/scenarios/run"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

// The later scenarios can't be built, which an attempt would tell.
func TestNoNetworkIsBuiltAfterAnInterruption(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	list := []*spec.Scenario{{
		Name:     "waiting",
		Topology: topo.Topology{Seed: 1, Nodes: []topo.Node{{Name: "host", Role: topo.Host}}},
		Steps:    []spec.Step{{Wait: &spec.Wait{Duration: time.Hour}}},
	}}
	for range 20 {
		list = append(list, &spec.Scenario{Name: "unbuildable", Topology: topo.Topology{Seed: 1, Nodes: []topo.Node{
			{Name: "host", Role: topo.Host, Sysctls: []topo.Sysctl{{Name: "net.ipv4.no_such_thing", Value: "1"}}},
		}}})
	}
	var done atomic.Int32
	results := run.All(ctx, list, run.Options{
		Jobs: 1,
		Progress: run.Progress{
			OnStep: func(*spec.Scenario, int, string) { cancel() },
			OnDone: func(*verdict.Result) { done.Add(1) },
		},
	})
	for i, r := range results {
		if !errors.Is(r.Err, context.Canceled) || !strings.HasSuffix(r.Err.Error(), "interrupted") {
			t.Errorf("scenario %d, %s: %v, want interrupted", i, r.Scenario.Name, r.Err)
		}
	}
	if int(done.Load()) != len(list) {
		t.Errorf("%d of %d were told of", done.Load(), len(list))
	}
}
