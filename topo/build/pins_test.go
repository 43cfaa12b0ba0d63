package build_test

import (
	"os"
	"strings"
	"testing"

	"testbed/topo"
	"testbed/topo/build"
)

// sysctl reads a parameter of a node, or writes it where value is not empty.
func sysctl(t *testing.T, n *build.Network, node int, name, value string) (now string) {
	t.Helper()
	path := "/proc/sys/" + strings.ReplaceAll(name, ".", "/")
	err := n.Nodes[node].NS.Do(func() error {
		if value != "" {
			return os.WriteFile(path, []byte(value), 0)
		}
		b, err := os.ReadFile(path)
		now = strings.Join(strings.Fields(string(b)), " ")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return now
}

// The host's values, which new interfaces take over, are stood in for by what is
// written when the interfaces exist and are not configured yet.
func TestNeighboursAreAskedForAsTheKernelDoesByDefault(t *testing.T) {
	pins := map[string]string{"mcast_solicit": "3", "app_solicit": "0", "retrans_time_ms": "1000"}
	each := func(f func(node int, name, pin string)) {
		for node, eth := range []string{"eth0", "eth1", "eth0"} {
			for _, ip := range []string{"net.ipv4.neigh.", "net.ipv6.neigh."} {
				for pin := range pins {
					f(node, ip+eth+"."+pin, pin)
				}
			}
		}
	}
	topology := chain(0)
	const own = "net.ipv4.neigh.eth0.mcast_solicit"
	topology.Nodes[2].Sysctls = []topo.Sysctl{{Name: own, Value: "7"}}
	n := up(t, topology, build.Options{BeforeTraffic: func(n *build.Network) error {
		each(func(node int, name, _ string) { sysctl(t, n, node, name, "2000") })
		return nil
	}})
	expect := func(when string) {
		t.Helper()
		each(func(node int, name, pin string) {
			want := pins[pin]
			if node == 2 && name == own {
				want = "7"
			}
			if got := sysctl(t, n, node, name, ""); got != want {
				t.Errorf("%s, node %d: %s is %s, want %s", when, node, name, got, want)
			}
		})
	}
	expect("at first")
	each(func(node int, name, _ string) { sysctl(t, n, node, name, "2000") })
	for _, s := range []build.LinkState{{MTU: 1000}, {}} {
		for link := range 2 {
			if err := n.SetLink(link, s); err != nil {
				t.Fatal(err)
			}
		}
	}
	expect("when IPv6 came back")
}
