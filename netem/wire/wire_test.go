package wire_test

import (
	"testing"

	"testbed/netem"
	"testbed/netem/conformance"
	"testbed/netem/wire"
	"testbed/topo/netns"
	"testbed/topo/sandbox"
)

func TestMain(m *testing.M) { sandbox.TestMain(m) }

func TestConformance(t *testing.T) {
	conformance.Run(t, func(ether *netns.NS, onDrop func(netem.Drop)) (netem.Medium, error) {
		return wire.New(ether, wire.Options{Seed: 1, OnDrop: onDrop})
	})
}
