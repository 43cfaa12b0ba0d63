package rtnl_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"testbed/topo"
	"testbed/topo/netns"
	"testbed/topo/netns/netnstest"
	"testbed/topo/rtnl"
	"testbed/topo/sandbox"
)

func TestMain(m *testing.M) { sandbox.TestMain(m) }

func open(t *testing.T) (*netns.NS, *rtnl.Handle) {
	t.Helper()
	ns := netnstest.Empty(t)
	h, err := rtnl.Open(ns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return ns, h
}

func check(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// pair is a veth pair between two fresh namespaces; the second has the node's
// end, with an address and its connected route.
func pair(t *testing.T) (node *netns.NS, h *rtnl.Handle, plan *topo.PlanNode) {
	t.Helper()
	_, ether := open(t)
	node, h = open(t)
	f := topo.Interface{Name: "eth0", MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, Addresses: []netip.Prefix{netip.MustParsePrefix("198.18.0.1/30"), netip.MustParsePrefix("2001:db8::1/64")}}
	plan = &topo.PlanNode{Interfaces: []topo.Interface{f}, Routes: []topo.PlanRoute{
		{To: netip.MustParsePrefix("0.0.0.0/0"), Kind: topo.Unicast, Via: netip.MustParseAddr("198.18.0.2")},
		{To: netip.MustParsePrefix("198.18.0.0/30"), Kind: topo.Unicast},
		{To: netip.MustParsePrefix("203.0.113.0/24"), Kind: topo.Blackhole, Interface: -1},
	}}
	check(t, ether.AddVeth("l0a", node, &f, 1400), h.SetUp("lo", true), h.AddAddresses(&f), h.SetUp("eth0", true))
	return node, h, plan
}

func upLinks(int) bool { return false }

func TestVethIsBornWhereItBelongs(t *testing.T) {
	node, h, _ := pair(t)
	addrs, err := h.Addresses("eth0")
	check(t, err)
	if len(addrs) != 2 || addrs[0].String() != "198.18.0.1/30" || addrs[1].String() != "2001:db8::1/64" {
		t.Errorf("addresses are %v", addrs)
	}
	check(t, node.Do(func() error {
		i, err := net.InterfaceByName("eth0")
		if err == nil && (i.MTU != 1400 || i.HardwareAddr.String() != "02:00:00:00:00:01") {
			t.Errorf("mtu %d, mac %s", i.MTU, i.HardwareAddr)
		}
		return err
	}))
}

func TestRoutesAreReplaced(t *testing.T) {
	_, h, plan := pair(t)
	for range 2 {
		check(t, h.ReplaceRoutes(plan, upLinks, "cubic"))
		if n, err := h.Routes(); n != 3 || err != nil {
			t.Errorf("%d routes (%v), want 3", n, err)
		}
	}
	plan.Routes = plan.Routes[1:2]
	check(t, h.ReplaceRoutes(plan, upLinks, "cubic"))
	if n, err := h.Routes(); n != 1 || err != nil {
		t.Errorf("%d routes (%v), want 1", n, err)
	}
}

// The sysctl of a network namespace can't choose a congestion control that the
// host restricts; sockets have it all the same.
func TestSocketsUseTheCongestionControl(t *testing.T) {
	for _, want := range []string{"cubic", "reno"} {
		node, h, plan := pair(t)
		check(t, h.SetSysctls([]topo.Sysctl{{Name: topo.CongestionSysctl, Value: want}}), h.ReplaceRoutes(plan, upLinks, want))
		check(t, node.Do(func() error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			if err := unix.Connect(fd, &unix.SockaddrInet4{Port: 9, Addr: [4]byte{198, 18, 0, 2}}); !errors.Is(err, unix.EINPROGRESS) {
				return err
			}
			got, err := unix.GetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION)
			if got != want {
				t.Errorf("the socket uses %q, want %q", got, want)
			}
			return err
		}))
	}
}

func TestSysctls(t *testing.T) {
	_, h := open(t)
	check(t, h.SetSysctls([]topo.Sysctl{{Name: "net.ipv4.tcp_syn_retries", Value: "2"}, {Name: "net.ipv4.not_there", Value: "1", Optional: true}}))
	if v, err := h.Sysctl("net.ipv4.tcp_syn_retries"); v != "2" || err != nil {
		t.Errorf("tcp_syn_retries is %q (%v), want 2", v, err)
	}
	var (
		unknown *rtnl.UnknownSysctl
		value   *rtnl.SysctlValue
	)
	if err := h.SetSysctls([]topo.Sysctl{{Name: "net.ipv4.not_there", Value: "1"}}); !errors.As(err, &unknown) {
		t.Errorf("a sysctl that is not there: %v, want an UnknownSysctl", err)
	}
	if err := h.SetSysctls([]topo.Sysctl{{Name: "net.ipv4.tcp_syn_retries", Value: "many"}}); !errors.As(err, &value) {
		t.Errorf("a value that it can't have: %v, want a SysctlValue", err)
	}
}

func TestOffloadsAreOff(t *testing.T) {
	_, h, _ := pair(t)
	check(t, h.DisableOffloads("eth0"))
	if err := h.DisableOffloads("eth7"); !errors.Is(err, unix.ENODEV) {
		t.Errorf("an interface that is not there: %v, want ENODEV", err)
	}
}

func TestALinkThatIsDownHasNoRoutes(t *testing.T) {
	_, h, plan := pair(t)
	check(t, h.SetUp("eth0", false), h.ReplaceRoutes(plan, func(int) bool { return true }, "cubic"))
	if n, err := h.Routes(); n != 1 || err != nil {
		t.Errorf("%d routes (%v), want the blackhole alone", n, err)
	}
}
