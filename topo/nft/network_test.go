package nft

import (
	"context"
	"flag"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"testbed/topo"
	"testbed/topo/netns"
	"testbed/topo/netns/netnstest"
	"testbed/topo/sandbox"
)

func TestMain(m *testing.M) {
	// The tests wait for packets that don't come far more than they compute.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	sandbox.TestMain(m)
}

// deadline is how long anything that must happen may take.
const deadline = 30 * time.Second

// network is client – router – server. The client is behind the router: its
// addresses are private, and the server has no route to them unless routed.
type network struct {
	t                      *testing.T
	client, router, server *netns.NS
	firewall               *Handle
	names                  Names
	// nat is that of the router in eachNAT.
	nat *topo.NAT
}

// The addresses of the network, by family.
var (
	clientIP   = [2]netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd00::2")}
	insideIP   = [2]netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")}
	outsideIP  = [2]netip.Addr{netip.MustParseAddr("198.18.0.1"), netip.MustParseAddr("2001:db8::1")}
	serverIP   = [2]netip.Addr{netip.MustParseAddr("198.18.0.2"), netip.MustParseAddr("2001:db8::2")}
	prefixBits = [2]int{30, 64}
)

// build makes the network; routed gives the server a route to the client.
func build(t *testing.T, routed bool) *network {
	t.Helper()
	n := &network{t: t, client: netnstest.Loopback(t), router: netnstest.Loopback(t), server: netnstest.Loopback(t)}
	for _, ns := range []*netns.NS{n.client, n.router, n.server} {
		sysctl(t, ns, "ipv6/conf/default/accept_dad", "0")
	}
	n.veth(n.client, "eth0", clientIP, n.router, "eth0", insideIP)
	n.veth(n.router, "eth1", outsideIP, n.server, "eth0", serverIP)
	n.defaultRoute(n.client, insideIP)
	if routed {
		n.defaultRoute(n.server, outsideIP)
	}
	for _, key := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
		sysctl(t, n.router, key, "1")
	}
	// A node sends no more than one ICMP error a second to a destination, after
	// a burst; the tests want one for every packet.
	for _, key := range []string{"ipv4/icmp_ratelimit", "ipv6/icmp/ratelimit"} {
		sysctl(t, n.router, key, "0")
	}
	for _, ns := range []*netns.NS{n.client, n.server} {
		sysctl(t, ns, "ipv4/tcp_syn_linear_timeouts", "0")
	}
	h, err := Open(n.router)
	must(t, err)
	t.Cleanup(func() { h.Close() })
	n.firewall = h
	n.names = testNames()
	return n
}

// testNames are those of the router.
func testNames() Names {
	own := func(a [2]netip.Addr) []netip.Prefix {
		return []netip.Prefix{netip.PrefixFrom(a[0], prefixBits[0]), netip.PrefixFrom(a[1], prefixBits[1])}
	}
	return Names{
		Interface: map[string]string{"client": "eth0", "server": "eth1"},
		Addresses: map[string][]netip.Addr{
			"client": clientIP[:], "server": serverIP[:],
			"router": {insideIP[0], outsideIP[0], insideIP[1], outsideIP[1]},
		},
		Own:    map[string][]netip.Prefix{"client": own(insideIP), "server": own(outsideIP)},
		Inside: []netip.Prefix{own(insideIP)[0].Masked(), own(insideIP)[1].Masked()},
	}
}

// apply compiles and applies a firewall and a NAT on the router.
func (n *network) apply(nat *topo.NAT, rules ...topo.Rule) {
	n.t.Helper()
	n.applyNode(nat, topo.Node{Name: "router", Role: topo.Router, Firewall: rules, NAT: nat})
}

// applyNode compiles and applies what a node describes.
func (n *network) applyNode(nat *topo.NAT, node topo.Node) {
	n.t.Helper()
	r, err := Compile(&node, n.names)
	must(n.t, err)
	must(n.t, n.firewall.Apply(r))
	if nat == nil {
		return
	}
	sysctl(n.t, n.router, "netfilter/nf_conntrack_tcp_loose", "0")
	for key, timeout := range nat.Timeouts {
		name := strings.TrimPrefix(topo.NATTimeouts[key], "net.")
		sysctl(n.t, n.router, strings.ReplaceAll(name, ".", "/"), strconv.Itoa(int(timeout.Seconds())))
	}
}

// packets is the counter of a rule.
func (n *network) packets(rule string) uint64 {
	n.t.Helper()
	counts, err := n.firewall.Counters()
	must(n.t, err)
	for _, c := range counts {
		if c.Rule == rule {
			return c.Packets
		}
	}
	n.t.Fatalf("no counter of rule %q in %v", rule, counts)
	return 0
}

func (n *network) veth(a *netns.NS, aName string, aIP [2]netip.Addr, b *netns.NS, bName string, bIP [2]netip.Addr) {
	n.t.Helper()
	must(n.t, a.Do(func() error {
		return netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: aName}, PeerName: bName, PeerNamespace: netlink.NsFd(b.FD()),
		})
	}))
	aMAC, bMAC := n.address(a, aName, aIP), n.address(b, bName, bIP)
	n.neighbour(a, aName, bIP, bMAC)
	n.neighbour(b, bName, aIP, aMAC)
	n.awaitLocal(a, aIP[v6])
	n.awaitLocal(b, bIP[v6])
}

// awaitLocal waits for the kernel's worker that, some time after an IPv6 address
// was added and its link has come up, makes the namespace answer to it
// (net/ipv6/addrconf.c, addrconf_dad_work).
func (n *network) awaitLocal(ns *netns.NS, ip netip.Addr) {
	n.t.Helper()
	await(n.t, ip.String()+" is local", func() bool {
		local := false
		must(n.t, ns.Do(func() error {
			routes, err := netlink.RouteGet(ip.AsSlice())
			local = err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL
			return nil
		}))
		return local
	})
}

// address sets an interface up, with its addresses, and returns its MAC address.
func (n *network) address(ns *netns.NS, name string, ips [2]netip.Addr) (mac net.HardwareAddr) {
	n.t.Helper()
	must(n.t, ns.Do(func() error {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		mac = link.Attrs().HardwareAddr
		for f, ip := range ips {
			a := &netlink.Addr{IPNet: &net.IPNet{IP: ip.AsSlice(), Mask: net.CIDRMask(prefixBits[f], ip.BitLen())}, Flags: unix.IFA_F_NODAD}
			if err := netlink.AddrAdd(link, a); err != nil {
				return err
			}
		}
		return netlink.LinkSetUp(link)
	}))
	return mac
}

// neighbour adds permanent entries, so that no first packet waits for its
// neighbour's answer.
func (n *network) neighbour(ns *netns.NS, name string, ips [2]netip.Addr, mac net.HardwareAddr) {
	n.t.Helper()
	must(n.t, ns.Do(func() error {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		for _, ip := range ips {
			if err := netlink.NeighSet(&netlink.Neigh{LinkIndex: link.Attrs().Index, State: unix.NUD_PERMANENT, IP: ip.AsSlice(), HardwareAddr: mac}); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (n *network) defaultRoute(ns *netns.NS, via [2]netip.Addr) {
	n.t.Helper()
	must(n.t, ns.Do(func() error {
		for _, gw := range via {
			all := &net.IPNet{IP: make(net.IP, gw.BitLen()/8), Mask: net.CIDRMask(0, gw.BitLen())}
			if err := netlink.RouteAdd(&netlink.Route{Dst: all, Gw: gw.AsSlice()}); err != nil {
				return err
			}
		}
		return nil
	}))
}

func sysctl(t *testing.T, ns *netns.NS, key, value string) {
	t.Helper()
	must(t, ns.Do(func() error {
		err := os.WriteFile("/proc/sys/net/"+key, []byte(value), 0)
		if os.IsNotExist(err) && strings.Contains(key, "linear") {
			return nil
		}
		return err
	}))
}

// listen accepts connections and sends them to the channel.
func (n *network) listen(in *netns.NS, at netip.AddrPort) <-chan net.Conn {
	n.t.Helper()
	var l net.Listener
	must(n.t, in.Do(func() (err error) {
		l, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", at.String())
		return err
	}))
	n.t.Cleanup(func() { l.Close() })
	return n.accept(l)
}

// accept accepts connections and sends them to the channel.
func (n *network) accept(l net.Listener) <-chan net.Conn {
	accepted := make(chan net.Conn, 64)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n.t.Cleanup(func() { c.Close() })
			accepted <- c
		}
	}()
	return accepted
}

// dial connects from a namespace and, unless it is 0, from a port. What is
// dropped is ETIMEDOUT after the first SYN's timeout.
func (n *network) dial(from *netns.NS, to netip.AddrPort, sourcePort int) (net.Conn, error) {
	n.t.Helper()
	d := net.Dialer{Timeout: deadline, Control: hasty}
	if sourcePort != 0 {
		d.LocalAddr = &net.TCPAddr{Port: sourcePort}
	}
	return n.dialWith(from, d, to)
}

func (n *network) dialWith(from *netns.NS, d net.Dialer, to netip.AddrPort) (net.Conn, error) {
	d.SetMultipathTCP(false)
	var conn net.Conn
	err := from.Do(func() (err error) {
		conn, err = d.DialContext(context.Background(), "tcp", to.String())
		return err
	})
	if err == nil {
		n.t.Cleanup(func() { conn.Close() })
		err = patient(conn)
	}
	return conn, err
}

// hasty makes a connection attempt end after the first SYN's timeout.
func hasty(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_SYNCNT, 1)
		unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 1)
		unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	})
}

// patient takes the short timeout of dial away again.
func patient(conn net.Conn) error {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 0) })
}

// flows is how many TCP flows the router's conntrack knows.
func (n *network) flows(fam family) int { return n.flowsOf(fam, unix.IPPROTO_TCP) }

func (n *network) flowsOf(fam family, protocol uint8) int {
	n.t.Helper()
	known := 0
	must(n.t, n.router.Do(func() error {
		all, err := netlink.ConntrackTableList(netlink.ConntrackTable, netlink.InetFamily([]int{unix.AF_INET, unix.AF_INET6}[fam]))
		for _, f := range all {
			if f.Forward.Protocol == protocol {
				known++
			}
		}
		return err
	}))
	return known
}

// await polls until a condition that only time in the kernel brings holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", deadline, what)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// mtu sets that of one of the router's interfaces.
func (n *network) mtu(name string, bytes int) {
	n.t.Helper()
	must(n.t, n.router.Do(func() error {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		return netlink.LinkSetMTU(link, bytes)
	}))
}
