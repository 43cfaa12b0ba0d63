package nft

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"testbed/topo"
)

// The bits of tcp_info's options (include/uapi/linux/tcp.h).
const (
	optTimestamps = 1 << iota
	optSACK
	optWindowScale
	optECN
	optECNSeen
)

const everyOption = optTimestamps | optSACK | optWindowScale | optECN | optECNSeen

// negotiated are the options of a connection after a segment of data, as the
// server has them, and the size of its segments.
func (n *network) negotiated(fam family) (options uint8, segment int) {
	n.t.Helper()
	accepted := n.listen(n.server, netip.AddrPortFrom(serverIP[fam], port))
	conn, err := n.dial(n.client, netip.AddrPortFrom(serverIP[fam], port), 0)
	must(n.t, err)
	_, err = conn.Write([]byte("x"))
	must(n.t, err)
	far := <-accepted
	_, err = far.Read(make([]byte, 1))
	must(n.t, err)
	raw, err := far.(*net.TCPConn).SyscallConn()
	must(n.t, err)
	must(n.t, raw.Control(func(fd uintptr) {
		info, e := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		must(n.t, e)
		options = info.Options & everyOption
		segment, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG)
	}))
	must(n.t, err)
	return options, segment
}

// TestRewritesReachTheServer asks the server's socket what came of options that the
// router takes away, and of the size of segments.
func TestRewritesReachTheServer(t *testing.T) {
	t.Parallel()
	strip := func(o ...topo.TCPOption) topo.Rule {
		return topo.Rule{Name: "it", Action: topo.Strip, Options: o}
	}
	headers := [2]int{40, 60}
	for _, c := range []struct {
		name    string
		rule    topo.Rule
		options uint8
		// segment is the server's without the IP header's difference, for IPv4.
		segment int
	}{
		{"nothing", topo.Rule{Name: "it", Action: topo.Accept}, everyOption, 1448},
		{"timestamps", strip(topo.OptionTimestamps), everyOption &^ optTimestamps, 1460},
		{"sack", strip(topo.OptionSACK), everyOption &^ optSACK, 1448},
		{"window scale", strip(topo.OptionWindowScale), everyOption &^ optWindowScale, 1448},
		{"mss", strip(topo.OptionMSS), everyOption, 524},
		{"ecn", strip(topo.ECNSetup), everyOption &^ (optECN | optECNSeen), 1448},
		{"all", strip(topo.TCPOptions...), 0, 536},
		{"bleached", topo.Rule{Name: "it", Action: topo.BleachECN}, everyOption &^ optECNSeen, 1448},
		{"clamped", topo.Rule{Name: "it", Action: topo.ClampMSS, MSS: 1200}, everyOption, 1188},
		{"never raised", topo.Rule{Name: "it", Action: topo.ClampMSS, MSS: 9000}, everyOption, 1448},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachFamily(t, func(t *testing.T, fam family) {
				n := build(t, true)
				for _, key := range []string{"ipv4/tcp_ecn"} {
					sysctl(t, n.client, key, "1")
					sysctl(t, n.server, key, "1")
				}
				n.apply(nil, c.rule)
				options, segment := n.negotiated(fam)
				want := c.segment
				if want > 1400 {
					want -= headers[fam] - headers[v4]
				}
				if want < 600 && fam == v6 {
					want += 1220 - 536 // IPv6 has another default (RFC 9293, section 3.7.1)
				}
				if options != c.options || segment != want {
					t.Errorf("options %05b, segments of %d; want %05b, %d", options, segment, c.options, want)
				}
				if n.packets("it") == 0 {
					t.Error("the rule counted nothing")
				}
			})
		})
	}
}

// TestClampToTheRoute wants segments that fit the smaller link beyond the router,
// although neither end knows of it.
func TestClampToTheRoute(t *testing.T) {
	t.Parallel()
	eachFamily(t, func(t *testing.T, fam family) {
		n := build(t, true)
		n.mtu("eth1", 1400)
		n.apply(nil, topo.Rule{Name: "clamp", Action: topo.ClampMSS})
		if _, segment := n.negotiated(fam); segment != 1400-[2]int{40, 60}[fam]-12 {
			t.Errorf("segments of %d", segment)
		}
		if got := n.packets("clamp"); got != 2 {
			t.Errorf("the rule counted %d packets, want the SYN and the SYN-ACK", got)
		}
	})
}

// TestSynproxyAnswersForTheServer wants a connection whose client never meets the
// server's own SYN-ACK, and a closed port to look open at first.
func TestSynproxyAnswersForTheServer(t *testing.T) {
	t.Parallel()
	n := build(t, true)
	n.apply(nil, topo.Rule{Name: "proxy", Match: topo.Match{Proto: "tcp", Dport: dport}, Action: topo.Synproxy, Proxy: &topo.Proxy{MSS: 1000, WindowScale: 7}})
	sysctl(t, n.router, "netfilter/nf_conntrack_tcp_loose", "0")
	options, _ := n.negotiated(v4)
	if options&(optTimestamps|optSACK) != 0 {
		t.Errorf("options %05b, but the proxy announced neither timestamps nor SACK", options)
	}
	if got := n.packets("proxy"); got != 2 {
		t.Errorf("the rule counted %d packets, want the SYN and the ACK", got)
	}
	// IPv6 passes it by.
	if options, _ := n.negotiated(v6); options&optTimestamps == 0 {
		t.Errorf("over IPv6 options %05b: the server's own have timestamps", options)
	}
	if got := n.packets("proxy"); got != 2 {
		t.Errorf("the rule counted %d packets of IPv6", got-2)
	}
	// Nobody listens on the next port; the proxy answers for it all the same.
	n.apply(nil, topo.Rule{Name: "proxy", Match: topo.Match{Proto: "tcp"}, Action: topo.Synproxy, Proxy: &topo.DefaultProxy})
	if _, err := n.dial(n.client, netip.AddrPortFrom(serverIP[v4], port+1), 0); err != nil && !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("connect to a closed port behind the proxy: %v, want a connection, or one that is reset at once", err)
	}
}
