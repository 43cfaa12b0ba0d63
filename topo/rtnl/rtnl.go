// Package rtnl gives a network namespace its interfaces, addresses, neighbours,
// routes and kernel parameters, over rtnetlink(7), ethtool ioctls and
// /proc/sys/net.
package rtnl

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"testbed/topo"
	"testbed/topo/netns"
)

// EtherMTU is that of the ether's interfaces: what a node may send is decided by
// its own interface and by the medium, not by the ether.
const EtherMTU = 65535

// Handle configures one namespace. Its methods are not safe for concurrent use.
type Handle struct {
	ns *netns.NS
	nl *netlink.Handle
	// index is each interface's ifindex by its name.
	index map[string]int
}

// Open makes a handle for a namespace. The caller closes it; the namespace stays
// the caller's.
func Open(ns *netns.NS) (*Handle, error) {
	h := &Handle{ns: ns, index: map[string]int{}}
	err := ns.Do(func() (err error) {
		h.nl, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open rtnetlink socket: %w", err)
	}
	return h, nil
}

// Close releases the handle's socket.
func (h *Handle) Close() { h.nl.Close() }

// AddVeth makes a veth pair straight where its ends belong: one in the handle's
// namespace, up and without addresses, the other, still down, in the node's.
//
//	ip link add ETHER mtu 65535 type veth peer name NAME address MAC mtu MTU netns NODE
func (h *Handle) AddVeth(ether string, node *netns.NS, f *topo.Interface, mtu int) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = ether, EtherMTU
	attrs.Flags = 1 // net.FlagUp
	err := h.nl.LinkAdd(&netlink.Veth{
		LinkAttrs: attrs, PeerName: f.Name, PeerHardwareAddr: f.MAC,
		PeerNamespace: netlink.NsFd(node.FD()), PeerMTU: uint32(mtu),
	})
	if err != nil {
		return fmt.Errorf("add veth %s – %s: %w", ether, f.Name, err)
	}
	return nil
}

// Index is the ifindex of an interface.
func (h *Handle) Index(name string) (int, error) {
	if i, ok := h.index[name]; ok {
		return i, nil
	}
	l, err := h.nl.LinkByName(name)
	if err != nil {
		return 0, fmt.Errorf("find interface %s: %w", name, err)
	}
	h.index[name] = l.Attrs().Index
	return l.Attrs().Index, nil
}

// SetUp brings an interface up or down. Taking it down removes its routes.
//
//	ip link set NAME up
func (h *Handle) SetUp(name string, up bool) error {
	l, err := h.link(name)
	if err != nil {
		return err
	}
	set, word := h.nl.LinkSetUp, "up"
	if !up {
		set, word = h.nl.LinkSetDown, "down"
	}
	if err := set(l); err != nil {
		return fmt.Errorf("set %s %s: %w", name, word, err)
	}
	return nil
}

// SetMTU changes an interface's MTU, in bytes.
func (h *Handle) SetMTU(name string, mtu int) error {
	l, err := h.link(name)
	if err != nil {
		return err
	}
	if err := h.nl.LinkSetMTU(l, mtu); err != nil {
		return fmt.Errorf("set mtu %d on %s: %w", mtu, name, err)
	}
	return nil
}

func (h *Handle) link(name string) (netlink.Link, error) {
	i, err := h.Index(name)
	if err != nil {
		return nil, err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.Index = name, i
	return &netlink.Device{LinkAttrs: attrs}, nil
}

// AddAddresses gives an interface its addresses, usable at once and without the
// routes that the kernel would add.
//
//	ip addr add PREFIX dev NAME noprefixroute nodad
func (h *Handle) AddAddresses(f *topo.Interface) error {
	l, err := h.link(f.Name)
	if err != nil {
		return err
	}
	for _, a := range f.Addresses {
		addr := &netlink.Addr{IPNet: ipNet(a), Flags: unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_NODAD}
		if err := h.nl.AddrReplace(l, addr); err != nil {
			return fmt.Errorf("add address %s to %s: %w", a, f.Name, err)
		}
	}
	return nil
}

// AddNeighbours gives an interface its permanent neighbour entries.
//
//	ip neigh replace ADDRESS lladdr MAC dev NAME nud permanent
func (h *Handle) AddNeighbours(f *topo.Interface) error {
	index, err := h.Index(f.Name)
	if err != nil {
		return err
	}
	for _, n := range f.Neighbours {
		entry := &netlink.Neigh{LinkIndex: index, State: netlink.NUD_PERMANENT, IP: n.IP.AsSlice(), HardwareAddr: n.MAC}
		if err := h.nl.NeighSet(entry); err != nil {
			return fmt.Errorf("add neighbour %s on %s: %w", n.IP, f.Name, err)
		}
	}
	return nil
}

// Addresses reads an interface's global addresses back.
func (h *Handle) Addresses(name string) ([]netip.Prefix, error) {
	l, err := h.link(name)
	if err != nil {
		return nil, err
	}
	addrs, err := h.nl.AddrList(l, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list addresses of %s: %w", name, err)
	}
	var out []netip.Prefix
	for _, a := range addrs {
		ip, _ := netip.AddrFromSlice(a.IP)
		ones, _ := a.Mask.Size()
		out = append(out, netip.PrefixFrom(ip.Unmap(), ones))
	}
	return out, nil
}
