package build_test

import (
	"testing"

	"testbed/topo"
	"testbed/topo/build"
)

// BenchmarkUp builds the smallest network and takes it down.
func BenchmarkUp(b *testing.B) {
	topology := &topo.Topology{
		Nodes: []topo.Node{{Name: "client", Role: topo.Host}, {Name: "server", Role: topo.Host}},
		Links: []topo.Link{{Ends: [2]string{"client", "server"}}},
	}
	for b.Loop() {
		n, err := build.Up(topology, build.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := n.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
