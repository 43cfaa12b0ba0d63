package nft

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"testbed/topo"
)

// left are the lifetimes that a TCP mapping has left, whose outside port is the inside's
// own: of the port in taken and ports, of the inside endpoint in mapped and mappings. There
// are none if one of the stores does not have it.
func (n *network) left(fam family, inside netip.AddrPort) (all []time.Duration) {
	n.t.Helper()
	port := padded(binary.BigEndian.AppendUint16(nil, inside.Port()))
	outer := slices.Concat(padded([]byte{unix.IPPROTO_TCP}), port)
	inner := slices.Concat(padded([]byte{unix.IPPROTO_TCP}), inside.Addr().AsSlice(), port)
	for _, s := range []struct {
		name string
		key  []byte
	}{{"taken", outer}, {"ports", outer}, {"mapped", inner}, {"mappings", inner}} {
		elements, err := n.firewall.conn.GetSetElements(&nftables.Set{Table: table, Name: s.name + "-" + families[fam].keyword})
		must(n.t, err)
		i := slices.IndexFunc(elements, func(e nftables.SetElement) bool { return bytes.Equal(e.Key, s.key) })
		if i < 0 {
			return nil
		}
		all = append(all, elements[i].Expires)
	}
	return all
}

// TestMappingsThatMeetREQ5 brings connections to states that last, and wants the mapping
// of each to live as long as the timeouts say: 2 h 4 min while it is established, and
// at least 4 min in the others, of which each has a lifetime of its own so that they are
// told apart (RFC 5382, REQ-5).
func TestMappingsThatMeetREQ5(t *testing.T) {
	t.Parallel()
	lifetimes := map[string]time.Duration{
		"tcp_established": 2*time.Hour + 4*time.Minute,
		"tcp_syn_sent":    4 * time.Minute, "tcp_syn_recv": 5 * time.Minute, "tcp_close_wait": 6 * time.Minute,
		"tcp_time_wait": 7 * time.Minute, "tcp_close": 8 * time.Minute,
		"tcp_fin_wait": 9 * time.Minute, "tcp_last_ack": 10 * time.Minute,
		"tcp_unacknowledged": 11 * time.Minute, "tcp_max_retrans": 12 * time.Minute,
	}
	eachFamily(t, func(t *testing.T, fam family) {
		t.Parallel()
		n := buildTwice(t)
		n.apply(&topo.NAT{
			Outside: "server", Mapping: topo.EndpointIndependent, Filtering: topo.EndpointIndependent,
			Ports: topo.DefaultPorts, Timeouts: lifetimes,
		})
		inside := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(clientIP[fam], port) }
		to := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(serverIP[fam], port) }
		lives := func(state string, at netip.AddrPort) {
			t.Helper()
			var left []time.Duration
			want := lifetimes[state]
			for end := time.Now().Add(deadline); ; time.Sleep(5 * time.Millisecond) {
				left = n.left(fam, at)
				if left != nil && slices.Max(left) <= want && slices.Min(left) > want-deadline {
					return
				}
				if time.Now().After(end) {
					t.Fatalf("%s: the mapping has %v left, want %v", state, left, want)
				}
			}
		}
		only := func(port uint16) topo.PortRange { return topo.PortRange{First: port, Last: port} }

		n.firewallIn(n.server, topo.Rule{Match: topo.Match{Flags: topo.SYN, Dport: only(1001)}, Action: topo.DropPacket})
		if _, err := n.dialShared(n.client, inside(5001), to(1001)); !errors.Is(err, unix.ETIMEDOUT) {
			t.Fatalf("connect where SYNs are lost: %v", err)
		}
		lives("tcp_syn_sent", inside(5001))

		accepted := n.listenShared(n.server, to(1002))
		n.firewallIn(n.client, topo.Rule{Match: topo.Match{Flags: topo.SYN | topo.ACK, Dport: only(5002)}, Action: topo.DropPacket})
		if _, err := n.dialShared(n.client, inside(5002), to(1002)); !errors.Is(err, unix.ETIMEDOUT) {
			t.Fatalf("connect where SYN-ACKs are lost: %v", err)
		}
		lives("tcp_syn_recv", inside(5002))

		connect := func(port uint16) (client, server *net.TCPConn) {
			t.Helper()
			c, err := n.dialShared(n.client, inside(port), to(1002))
			must(t, err)
			s := next(t, accepted)
			must(t, roundTrip(c, s))
			lives("tcp_established", inside(port))
			return c.(*net.TCPConn), s.(*net.TCPConn)
		}
		c, s := connect(5003)
		must(t, c.CloseWrite())
		lives("tcp_close_wait", inside(5003))
		must(t, s.CloseWrite())
		lives("tcp_time_wait", inside(5003))

		c, _ = connect(5004)
		must(t, c.SetLinger(0))
		must(t, c.Close())
		lives("tcp_close", inside(5004))
	})
}

// TestATCPMappingLivesAsLongAsItsTraffic keeps a connection busy for longer than
// tcp_established, and wants its mapping to let a stranger in; then idle, and wants the
// mapping to go, no sooner than that (RFC 5382, REQ-5). Both ends speak in turn, and
// whichever does, the other acknowledges.
func TestATCPMappingLivesAsLongAsItsTraffic(t *testing.T) {
	t.Parallel()
	const lifetime = 3 * time.Second
	eachFamily(t, func(t *testing.T, fam family) {
		t.Parallel()
		n := buildTwice(t)
		n.apply(&topo.NAT{
			Outside: "server", Mapping: topo.EndpointIndependent, Filtering: topo.EndpointIndependent,
			Ports:    topo.PortPool{PortRange: topo.PortRange{First: 40000, Last: 40001}, Shuffle: true},
			Timeouts: map[string]time.Duration{"tcp_established": lifetime},
		})
		inside, to := netip.AddrPortFrom(clientIP[fam], 5000), netip.AddrPortFrom(serverIP[fam], 1001)
		let := n.listenShared(n.client, inside)
		c, s := connected(t, n, inside, to)
		seen := addr(s.RemoteAddr())
		// The sleep is the silence that the mapping has to outlive each time, well below
		// its timeout, and waits for nothing.
		for began := time.Now(); time.Since(began) < lifetime+time.Second; time.Sleep(100 * time.Millisecond) {
			must(t, roundTrip(c, s))
			must(t, roundTrip(s, c))
		}
		stranger, err := n.dialShared(n.server, netip.AddrPortFrom(server2IP[fam], 1001), seen)
		if err != nil {
			t.Fatalf("a stranger after %v of traffic: %v", lifetime+time.Second, err)
		}
		guest := next(t, let)
		last := time.Now()
		must(t, roundTrip(stranger, guest))
		await(t, "the idle mapping is gone, and its flows", func() bool {
			return n.elements("taken-"+families[fam].keyword) == 0 && n.flows(fam) == 0
		})
		// Conntrack counts whole seconds.
		if idle := time.Since(last); idle < lifetime-time.Second {
			t.Errorf("the mapping is gone after %v, want %v", idle, lifetime)
		}
		if _, err := n.dialShared(n.server, netip.AddrPortFrom(server2IP[fam], 1002), seen); !errors.Is(err, unix.ETIMEDOUT) {
			t.Errorf("a stranger comes in by a mapping that is gone: %v, want ETIMEDOUT", err)
		}
		again := netip.AddrPortFrom(serverIP[fam], 1003)
		_, anew := connected(t, n, inside, again)
		if got := addr(anew.RemoteAddr()); got == seen {
			t.Errorf("a new mapping has the port of the old one, %v: it was still there", got)
		}
	})
}
