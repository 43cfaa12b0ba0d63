package run_test

import (
	"testing"

	"testbed/topo/sandbox"
)

func TestMain(m *testing.M) { sandbox.TestMain(m) }
