// Package netnstest makes network namespaces for tests.
package netnstest

import (
	"testing"

	"github.com/vishvananda/netlink"

	"testbed/topo/netns"
)

// Empty is a fresh namespace, its loopback interface down. It lives as long as the
// test.
func Empty(t testing.TB) *netns.NS {
	t.Helper()
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	return ns
}

// Loopback is Empty with nothing but its loopback interface, up.
func Loopback(t testing.TB) *netns.NS {
	t.Helper()
	ns := Empty(t)
	err := ns.Do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(lo)
	})
	if err != nil {
		t.Fatal(err)
	}
	return ns
}
