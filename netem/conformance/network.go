package conformance

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"testbed/netem"
	"testbed/topo/netns"
)

// Network is two nodes and the ether between them: node 0 and node 1 have a veth
// end each, whose peers are in the ether, where a medium has to join them.
// Neighbours are static, unless it is NewStrangers', and then nothing but the
// tests' own traffic crosses.
type Network struct {
	Ether *netns.NS
	Nodes [2]*netns.NS
	// Addresses are those of the nodes, in one subnet.
	Addresses [2]netip.Addr
	ends      [2]netem.End
	strangers bool
}

// Interface is the name of each node's interface.
const Interface = "link0"

// IPv4 and IPv6 are the addresses that NewNetwork can give.
var (
	IPv4 = [2]netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")}
	IPv6 = [2]netip.Addr{netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")}
)

// NewNetwork builds a network that lasts as long as the test.
func NewNetwork(tb testing.TB, addresses [2]netip.Addr) *Network {
	tb.Helper()
	n := &Network{Ether: namespace(tb, false), Addresses: addresses}
	return n.build(tb)
}

// NewStrangers builds a network without static neighbours: the nodes have to ask
// for each other's MAC address, across the link.
func NewStrangers(tb testing.TB, addresses [2]netip.Addr) *Network {
	tb.Helper()
	n := &Network{Ether: namespace(tb, false), Addresses: addresses, strangers: true}
	return n.build(tb)
}

// Another builds two more nodes, with the same addresses, around the same ether.
func (n *Network) Another(tb testing.TB) *Network {
	tb.Helper()
	other := &Network{Ether: n.Ether, Addresses: n.Addresses, strangers: n.strangers}
	return other.build(tb)
}

func (n *Network) build(tb testing.TB) *Network {
	tb.Helper()
	for i := range n.Nodes {
		n.Nodes[i] = namespace(tb, n.Addresses[i].Is6())
		if err := n.join(i); err != nil {
			tb.Fatal(err)
		}
	}
	for i := range n.Nodes {
		awaitUp(tb, n.Nodes[i], Interface)
		awaitUp(tb, n.Ether, n.ends[i].Interface)
		awaitLocal(tb, n.Nodes[i], n.Addresses[i])
	}
	return n
}

// awaitUp waits until the kernel has noticed that the peer of an interface is up:
// before, it silently discards what is sent.
func awaitUp(tb testing.TB, ns *netns.NS, name string) {
	tb.Helper()
	await(tb, ns, name+" to be up", func(h *netlink.Handle) bool {
		l, err := h.LinkByName(name)
		return err == nil && l.Attrs().OperState == netlink.OperUp
	})
}

// awaitLocal waits until packets to an address are the node's own: the kernel
// adds the route of an IPv6 address some time after it has noticed that the
// interface is up.
func awaitLocal(tb testing.TB, ns *netns.NS, address netip.Addr) {
	tb.Helper()
	await(tb, ns, address.String()+" to be local", func(h *netlink.Handle) bool {
		routes, err := h.RouteGet(address.AsSlice())
		return err == nil && len(routes) == 1 && routes[0].Type == unix.RTN_LOCAL
	})
}

func await(tb testing.TB, ns *netns.NS, what string, done func(*netlink.Handle) bool) {
	tb.Helper()
	err := ns.Do(func() error {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		defer h.Close()
		Until(tb, what, func() bool { return done(h) })
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// Link is what a medium has to carry.
func (n *Network) Link(id int, toward [2]netem.Impairment) netem.Link {
	return netem.Link{ID: id, Ends: n.ends, Toward: toward}
}

// namespace makes a namespace whose interfaces send nothing by themselves.
func namespace(tb testing.TB, ipv6 bool) *netns.NS {
	tb.Helper()
	ns, err := netns.New()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { ns.Close() })
	settings := map[string]string{"disable_ipv6": "1"}
	if ipv6 {
		settings = map[string]string{"addr_gen_mode": "1", "accept_dad": "0", "router_solicitations": "0"}
	}
	err = ns.Do(func() error {
		for name, value := range settings {
			if err := os.WriteFile("/proc/sys/net/ipv6/conf/default/"+name, []byte(value), 0); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return ns
}

func mac(i int) net.HardwareAddr { return net.HardwareAddr{2, 0, 0, 0, 0, byte(i + 1)} }

// number makes the names of inner ends unique.
var number atomic.Int64

// join makes node i's veth pair.
func (n *Network) join(i int) error {
	inner := fmt.Sprintf("inner%d", number.Add(1))
	err := n.Nodes[i].Do(func() error {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		defer h.Close()
		v := &netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: Interface, HardwareAddr: mac(i), Flags: net.FlagUp},
			PeerName:  inner, PeerNamespace: netlink.NsFd(n.Ether.FD()),
		}
		if err := h.LinkAdd(v); err != nil {
			return fmt.Errorf("add veth of node %d: %w", i, err)
		}
		return n.configure(h, i)
	})
	if err != nil {
		return err
	}
	return n.Ether.Do(func() error {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		defer h.Close()
		l, err := h.LinkByName(inner)
		if err != nil {
			return err
		}
		n.ends[i] = netem.End{Interface: inner, Index: l.Attrs().Index, Node: fmt.Sprintf("node%d", i)}
		return h.LinkSetUp(l)
	})
}

// configure gives node i its address and its neighbour's.
func (n *Network) configure(h *netlink.Handle, i int) error {
	l, err := h.LinkByName(Interface)
	if err != nil {
		return err
	}
	if err := h.LinkSetUp(l); err != nil {
		return err
	}
	own, other := n.Addresses[i], n.Addresses[1-i]
	if own.Is6() && !n.strangers {
		// A node that need not be found joins no group for its address, and sends no
		// report of one.
		if err := h.LinkSetARPOff(l); err != nil {
			return fmt.Errorf("switch neighbour discovery off: %w", err)
		}
	}
	bits := own.BitLen()
	a := &netlink.Addr{IPNet: &net.IPNet{IP: own.AsSlice(), Mask: net.CIDRMask(bits-2, bits)}}
	if own.Is6() {
		a.Flags = unix.IFA_F_NODAD // usable at once
	}
	if err := h.AddrAdd(l, a); err != nil {
		return fmt.Errorf("add address %s: %w", own, err)
	}
	if n.strangers {
		return nil
	}
	return h.NeighSet(&netlink.Neigh{
		LinkIndex: l.Attrs().Index, State: netlink.NUD_PERMANENT,
		IP: other.AsSlice(), HardwareAddr: mac(1 - i),
	})
}

// SetUp sets node i's interface up or down.
func (n *Network) SetUp(i int, up bool) error {
	return n.withInterface(i, func(h *netlink.Handle, l netlink.Link) error {
		if up {
			return h.LinkSetUp(l)
		}
		return h.LinkSetDown(l)
	})
}

// frames are how many frames node i's interface has sent and received.
func (n *Network) frames(tb testing.TB, i int) (sent, received uint64) {
	tb.Helper()
	err := n.withInterface(i, func(_ *netlink.Handle, l netlink.Link) error {
		s := l.Attrs().Statistics
		sent, received = s.TxPackets, s.RxPackets
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return sent, received
}

// withInterface runs f inside node i.
func (n *Network) withInterface(i int, f func(*netlink.Handle, netlink.Link) error) error {
	return n.Nodes[i].Do(func() error {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		defer h.Close()
		l, err := h.LinkByName(Interface)
		if err != nil {
			return err
		}
		return f(h, l)
	})
}
