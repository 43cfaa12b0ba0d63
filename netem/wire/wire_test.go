package wire_test

import (
	"testing"

	"testbed/netem"
	"testbed/netem/conformance"
	"testbed/netem/wire"
	"testbed/topo/netns"
	"testbed/vm/guest"
	"testbed/vm/guesttest"
)

func TestMain(m *testing.M) { guesttest.Main(m) }

// TestKernels runs the suite again where time is virtual.
func TestKernels(t *testing.T) { guesttest.Run(t, "^TestConformance$") }

func TestConformance(t *testing.T) {
	conformance.Run(t, func(ether *netns.NS, onDrop func(netem.Drop)) (netem.Medium, error) {
		return wire.New(ether, wire.Options{Seed: 1, OnDrop: onDrop})
	}, conformance.Options{Virtual: guest.Inside()})
}
