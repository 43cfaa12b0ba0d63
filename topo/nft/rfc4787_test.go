package nft

import (
	"bufio"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"testbed/topo"
)

// TestAHostHasOneOutsideAddress gives the router two, and wants all that an inside
// host sends to come from the first (RFC 4787, REQ-2).
func TestAHostHasOneOutsideAddress(t *testing.T) {
	t.Parallel()
	eachNAT(t, func(t *testing.T, n *network, fam family) {
		more := [2]netip.Addr{netip.MustParseAddr("198.18.0.9"), netip.MustParseAddr("2001:db8::9")}[fam]
		own := n.names.Own["server"]
		n.names.Own["server"] = append(slices.Clip(own), netip.PrefixFrom(more, prefixBits[fam]))
		defer func() { n.names.Own["server"] = own }()
		n.apply(n.nat)
		for i := range uint16(4) {
			at := netip.AddrPortFrom(serverIP[fam], 2000+i)
			if got := mapped(t, n.udp(n.client, netip.AddrPortFrom(clientIP[fam], 6000+i)), n.udp(n.server, at), at); got.Addr() != outsideIP[fam] {
				t.Errorf("a datagram comes from %v, want %v", got, outsideIP[fam])
			}
			accepted := n.listenShared(n.server, at)
			_, err := n.dialShared(n.client, netip.AddrPortFrom(clientIP[fam], 6000+i), at)
			must(t, err)
			if got := addr(next(t, accepted).RemoteAddr()); got.Addr() != outsideIP[fam] {
				t.Errorf("a connection comes from %v, want %v", got, outsideIP[fam])
			}
		}
	})
}

// TestParityIsKeptWithThePort maps an even and an odd port, once to themselves and
// once to the next free ones (RFC 4787, REQ-4, which recommends the same parity for
// both).
func TestParityIsKeptWithThePort(t *testing.T) {
	t.Parallel()
	n := buildTwice(t)
	taken := topo.PortPool{PortRange: topo.PortRange{First: 40000, Last: 40001}, Shuffle: true}
	for name, c := range map[string]struct {
		nat  topo.NAT
		want []uint16 // for 6001 and 6000
	}{
		"linux":      {topo.NAT{}, []uint16{6001, 6000}},
		"behaviours": {topo.NAT{Mapping: topo.EndpointIndependent, Filtering: topo.EndpointIndependent, Ports: topo.DefaultPorts}, []uint16{6001, 6000}},
		"in turn":    {topo.NAT{Mapping: topo.EndpointIndependent, Filtering: topo.EndpointIndependent, Ports: taken}, []uint16{40000, 40001}},
	} {
		c.nat.Outside = "server"
		eachFamily(t, func(t *testing.T, fam family) {
			n.firewall.Forget()
			n.apply(&c.nat)
			must(t, n.firewall.FlushFlows())
			to := netip.AddrPortFrom(serverIP[fam], 1001)
			server := n.udp(n.server, to)
			defer server.Close()
			var got []uint16
			for _, p := range []uint16{6001, 6000} {
				client := n.udp(n.client, netip.AddrPortFrom(clientIP[fam], p))
				got = append(got, mapped(t, client, server, to).Port())
				client.Close()
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s: the ports 6001 and 6000 are seen as %v, want %v", name, got, c.want)
			}
		})
	}
}

// TestUDPLivesLongerOnceAnsweredAndTwoSecondsOld wants Linux's own lifetimes of UDP
// flows, which are shorter than RFC 4787, REQ-5, has them (net/netfilter/
// nf_conntrack_proto_udp.c, nf_conntrack_udp_packet).
func TestUDPLivesLongerOnceAnsweredAndTwoSecondsOld(t *testing.T) {
	t.Parallel()
	eachNAT(t, func(t *testing.T, n *network, fam family) {
		to := netip.AddrPortFrom(serverIP[fam], 1001)
		client, server := n.udp(n.client, netip.AddrPortFrom(clientIP[fam], 5000)), n.udp(n.server, to)
		exchange := func() time.Duration {
			seen := mapped(t, client, server, to)
			mapped(t, server, client, seen)
			return n.lifetimeOf(fam, unix.IPPROTO_UDP)
		}
		began := time.Now()
		if left := exchange(); left > topo.DefaultNATTimeouts["udp"] {
			if age := time.Since(began); age < 2*time.Second {
				t.Errorf("answered after %v it has %v left, want %v", age, left, topo.DefaultNATTimeouts["udp"])
			}
		}
		await(t, "the flow is a stream", func() bool { return exchange() > topo.DefaultNATTimeouts["udp"] })
		if age := time.Since(began); age < 2*time.Second {
			t.Errorf("it is a stream after %v, want 2s", age)
		}
	})
}

// whole waits for a datagram of so many bytes.
func whole(t *testing.T, c *net.UDPConn, size int) {
	t.Helper()
	must(t, c.SetReadDeadline(time.Now().Add(deadline)))
	n, _, err := c.ReadFromUDPAddrPort(make([]byte, 2*size))
	if err != nil || n != size {
		t.Errorf("a datagram of %d bytes (%v), want %d", n, err, size)
	}
}

// discover says whether a socket's datagrams may be fragmented on their way (ip(7),
// IP_MTU_DISCOVER).
func discover(t *testing.T, c *net.UDPConn, how int) {
	t.Helper()
	raw, err := c.SyscallConn()
	must(t, err)
	must(t, raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, how) }))
	must(t, err)
}

// TestWhatIsTooBigIsFragmentedOrRefused sends a datagram that the outside link does
// not take whole: without DF it arrives in fragments, with it the client is told the
// MTU, by an ICMP error (RFC 4787, REQ-13).
func TestWhatIsTooBigIsFragmentedOrRefused(t *testing.T) {
	t.Parallel()
	eachNAT(t, func(t *testing.T, n *network, fam family) {
		if fam == v6 {
			return // which no router fragments
		}
		n.mtu("eth1", 1400)
		to := netip.AddrPortFrom(serverIP[fam], 1001)
		client, server := n.udp(n.client, netip.AddrPortFrom(clientIP[fam], 5000)), n.udp(n.server, to)
		big := make([]byte, 1450)
		discover(t, client, unix.IP_PMTUDISC_DONT)
		_, err := client.WriteToUDPAddrPort(big, to)
		must(t, err)
		whole(t, server, len(big))
		discover(t, client, unix.IP_PMTUDISC_DO)
		await(t, "the client knows that the datagram is too big", func() bool {
			_, err := client.WriteToUDPAddrPort(big, to)
			return errors.Is(err, unix.EMSGSIZE)
		})
	})
}

// TestFragmentsMayComeInAnyOrder sends the server's answer in two fragments, the last
// one first (RFC 4787, REQ-14).
func TestFragmentsMayComeInAnyOrder(t *testing.T) {
	t.Parallel()
	eachNAT(t, func(t *testing.T, n *network, fam family) {
		if fam == v6 {
			return // of which RFC 4787 does not speak
		}
		to := netip.AddrPortFrom(serverIP[fam], 1001)
		client := n.udp(n.client, netip.AddrPortFrom(clientIP[fam], 5000))
		seen := mapped(t, client, n.udp(n.server, to), to)
		datagram := make([]byte, 8+24)
		binary.BigEndian.PutUint16(datagram, to.Port())
		binary.BigEndian.PutUint16(datagram[2:], seen.Port())
		binary.BigEndian.PutUint16(datagram[4:], uint16(len(datagram))) // and no checksum
		n.fragment(to.Addr(), seen.Addr(), datagram, 16, len(datagram))
		n.fragment(to.Addr(), seen.Addr(), datagram, 0, 16)
		whole(t, client, 24)
	})
}

// fragment sends some bytes of a UDP datagram from the server. The kernel fills in
// length and checksum of the header (raw(7)).
func (n *network) fragment(from, to netip.Addr, datagram []byte, first, end int) {
	n.t.Helper()
	flags := uint16(first / 8)
	if end < len(datagram) {
		flags |= 1 << 13 // more fragments
	}
	h := []byte{0x45, 0, 0, 0, 0x12, 0x34}
	h = binary.BigEndian.AppendUint16(h, flags)
	h = append(h, 64, unix.IPPROTO_UDP, 0, 0)
	h = slices.Concat(h, from.AsSlice(), to.AsSlice(), datagram[first:end])
	must(n.t, n.server.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Sendto(fd, h, 0, &unix.SockaddrInet4{Addr: to.As4()})
	}))
}

// TestNoGatewayLooksIntoFTP has the client announce a port in the words of FTP, which
// an application-level gateway would translate and open (RFC 5382, REQ-6; RFC 4787,
// REQ-10).
func TestNoGatewayLooksIntoFTP(t *testing.T) {
	t.Parallel()
	eachNAT(t, func(t *testing.T, n *network, fam family) {
		inside := n.listenShared(n.client, netip.AddrPortFrom(clientIP[fam], 8080))
		to := netip.AddrPortFrom(serverIP[fam], 21)
		accepted := n.listenShared(n.server, to)
		c, err := n.dialShared(n.client, netip.AddrPortFrom(clientIP[fam], 5000), to)
		must(t, err)
		s := next(t, accepted)
		// The kernel's gateway looks at a line only after it has seen the end of another.
		for _, said := range []string{"USER a\r\n", [2]string{"PORT 10,0,0,2,31,144\r\n", "EPRT |2|fd00::2|8080|\r\n"}[fam]} {
			_, err = c.Write([]byte(said))
			must(t, err)
			must(t, s.SetReadDeadline(time.Now().Add(deadline)))
			heard, err := bufio.NewReader(s).ReadString('\n')
			must(t, err)
			if heard != said {
				t.Errorf("the server hears %q, want %q", heard, said)
			}
		}
		_, err = n.dialShared(n.server, netip.AddrPortFrom(serverIP[fam], 20), netip.AddrPortFrom(outsideIP[fam], 8080))
		want := unix.ETIMEDOUT
		if strings.Contains(t.Name(), "linux") {
			want = unix.ECONNREFUSED
		}
		if !errors.Is(err, want) || len(inside) != 0 {
			t.Errorf("connect to the announced port: %v, want %v", err, want)
		}
	})
}
