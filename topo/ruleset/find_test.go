package ruleset

import (
	"errors"
	"strings"
	"testing"

	"testbed/topo"
	"testbed/topo/sandbox"
)

func TestAMissingToolSaysHowToGetIt(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := find(topo.Iptables, nil)
	var missing *sandbox.Unavailable
	if !errors.As(err, &missing) || !strings.Contains(err.Error(), "apt install iptables") {
		t.Errorf("got %v, want *sandbox.Unavailable that names the package", err)
	}
}

func TestWhatTheKernelLacksIsNoMistakeOfTheFile(t *testing.T) {
	err := refusal(topo.Ruleset{Tool: topo.Iptables}, "Warning: Extension recent revision 0 not supported, missing kernel module?\niptables-restore: line 3 failed: No such file or directory.\n", 0, errors.New("exit status 1"))
	var missing *sandbox.Unavailable
	if !errors.As(err, &missing) {
		t.Errorf("got %v, want *sandbox.Unavailable", err)
	}
}
