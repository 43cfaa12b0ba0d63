package nft

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"testbed/topo"
	"testbed/topo/sandbox"
)

func TestWhatAKernelLacksIsNamed(t *testing.T) {
	t.Parallel()
	compile := func(r topo.Rule) *Ruleset {
		r.Name = "x"
		set, err := Compile(&topo.Node{Name: "fw", Role: topo.Router, Firewall: []topo.Rule{r}}, caseNames())
		must(t, err)
		return set
	}
	proxy := compile(topo.Rule{Action: topo.Synproxy, Proxy: &topo.DefaultProxy})
	var missing *sandbox.Unavailable
	err := proxy.lacking(fmt.Errorf("netlink: %w", unix.ENOENT))
	if !errors.As(err, &missing) || !strings.Contains(err.Error(), "synproxy") || !strings.Contains(err.Error(), "CONFIG_NFT_SYNPROXY") {
		t.Errorf("got %v, want *sandbox.Unavailable that names synproxy", err)
	}
	nat := natCases()[0].node
	behaviours, err := Compile(&nat, caseNames())
	must(t, err)
	if err := behaviours.lacking(unix.ENOENT); !errors.As(err, &missing) || !strings.Contains(err.Error(), "CONFIG_NFT_SOCKET") {
		t.Errorf("got %v, want *sandbox.Unavailable that names socket", err)
	}
	if err := proxy.lacking(unix.EINVAL); errors.As(err, &missing) {
		t.Errorf("EINVAL is a mistake of the testbed's own: %v", err)
	}
	if err := compile(topo.Rule{Action: topo.Accept}).lacking(unix.ENOENT); errors.As(err, &missing) {
		t.Errorf("nothing in these rules may be missing: %v", err)
	}
}
