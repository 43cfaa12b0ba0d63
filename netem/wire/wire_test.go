package wire_test

import (
	"os"
	"slices"
	"testing"

	"testbed/netem"
	"testbed/netem/conformance"
	"testbed/netem/wire"
	"testbed/topo/netns"
	"testbed/vm/guest"
	"testbed/vm/guesttest"
)

func TestMain(m *testing.M) {
	// A fuzzing worker talks to its coordinator over descriptors that a sandbox
	// does not pass on, and needs no network.
	if slices.Contains(os.Args, "-test.fuzzworker") {
		os.Exit(m.Run())
	}
	guesttest.Main(m)
}

// TestKernels runs the suite again where time is virtual.
func TestKernels(t *testing.T) { guesttest.Run(t, "^TestConformance$") }

func TestConformance(t *testing.T) {
	conformance.Run(t, func(ether *netns.NS, onDrop func(netem.Drop)) (netem.Medium, error) {
		return wire.New(ether, wire.Options{Seed: 1, OnDrop: onDrop})
	}, conformance.Options{Virtual: guest.Inside()})
}
