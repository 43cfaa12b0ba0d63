package spec

import (
	"io/fs"
	"slices"
	"testing"

	"testbed/scenarios"
)

// A scenario that would keep the host's clock busy for minutes says so, and says
// it in both ways that select scenarios.
func TestSlowScenariosAreForTheVirtualClock(t *testing.T) {
	files, err := fs.Glob(scenarios.Library, "slow/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d slow scenarios: %v", len(files), err)
	}
	for _, file := range files {
		sc := library(t, file)
		if sc.Clock != VirtualClock || !slices.Contains(sc.Tags, "slow") {
			t.Errorf("%s: clock %q, tags %q; expected virtual and slow", file, sc.Clock, sc.Tags)
		}
	}
}

func TestOfTheKernel(t *testing.T) {
	const head = "name: x\nnodes: {a: {}, b: {listen: [{port: 7, serve: echo}]}}\nlinks: [{between: [a, b]}]\nsteps:\n  - {connect: \"b:7\", from: a, as: app}\n"
	for step, want := range map[string]bool{
		"{connect: \"b:7\", from: a}":                                                              false,
		"{connect: \"b:7\", from: a, expect: {elapsed: 1s, syn_times: [0s]}}":                      false,
		"{connect: \"b:7\", from: a, expect: {elapsed: syn_timeout}}":                              true,
		"{connect: \"b:7\", from: a, expect: {elapsed: 1s..syn_timeout}}":                          true,
		"{connect: \"b:7\", from: a, expect: {syn_ack_times: schedule}}":                           true,
		"{connect: \"b:7\", from: a, expect: {kernels: {\">= 6.5\": {elapsed: syn_timeout}}}}":     true,
		"{close: app, until: {client: CLOSED}, expect: {time_wait: \"<= time_wait_timeout\"}}":     true,
		"{await: app, expect: {elapsed: \">= 1s\"}}":                                               false,
		"{exchange: app, send: x, expect: {outcome: timed-out, elapsed: \">= retries2_timeout\"}}": true,
	} {
		sc := mustDecode(t, head+"  - "+step+"\n")
		if got := sc.Steps[1].Expect.OfTheKernel(); got != want {
			t.Errorf("%s: %v, expected %v", step, got, want)
		}
	}
}
