package image

import (
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"testbed/topo/sandbox"
)

// TestIptablesComeWithTheirPlugins looks at the files of the host's own iptables; the
// test is skipped where it is not installed, or fails if the environment requires it.
func TestIptablesComeWithTheirPlugins(t *testing.T) {
	path, err := exec.LookPath("iptables-restore")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/iptables-restore")
	}
	sandbox.SkipOrFail(t, err)
	files, err := FirewallTool(path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, filepath.Base(f.Path))
	}
	for _, want := range []string{"iptables-restore", "libxtables.so.12", "libxt_tcp.so", "libxt_conntrack.so", "libxt_TCPMSS.so", "libm.so.6"} {
		if !slices.Contains(names, want) {
			t.Errorf("the files lack %s", want)
		}
	}
}
