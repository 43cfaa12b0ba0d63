package run_test

import (
	"flag"
	"testing"

	"testbed/topo/sandbox"
)

func TestMain(m *testing.M) {
	// The tests that go on beside each other wait for the kernel's timers far more than
	// they compute.
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	sandbox.TestMain(m)
}
