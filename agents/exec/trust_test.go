package exec_test

import (
	"os"
	"testing"
	"time"

	"testbed/topo/sandbox"
)

func TestAProgramTrustsItsNodesAuthority(t *testing.T) {
	const bundle = "/etc/ssl/certs/ca-certificates.crt"
	before, err := os.ReadFile(bundle)
	sandbox.SkipOrFail(t, err)
	n := node(t)
	n.Trust = []byte("the testbed's\n")
	if r := run(t, n, time.Minute, "cat", bundle); r.Stdout != "the testbed's\n" {
		t.Errorf("stdout %q; %s", r.Stdout, r.Stderr)
	}
	if r := run(t, node(t), time.Minute, "cat", bundle); r.Stdout != string(before) {
		t.Error("without certificates of its own a program does not see the host's")
	}
	if after, err := os.ReadFile(bundle); err != nil || string(after) != string(before) {
		t.Errorf("what the host trusts has changed (%v)", err)
	}
}
