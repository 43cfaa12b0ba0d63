package capture_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"testbed/netem"
	"testbed/observe"
	"testbed/observe/capture"
	"testbed/observe/decode"
	"testbed/observe/journey"
	"testbed/topo"
	"testbed/topo/build"
)

// network is a running network under capture.
type network struct {
	*build.Network
	t       *testing.T
	capture *capture.Capture
	mu      sync.Mutex
	drops   []netem.Drop
}

func up(t *testing.T, topology topo.Topology) *network {
	t.Helper()
	n := &network{t: t}
	var err error
	n.Network, err = build.Up(&topology, build.Options{
		OnDrop: func(d netem.Drop) { n.mu.Lock(); n.drops = append(n.drops, d); n.mu.Unlock() },
		BeforeTraffic: func(b *build.Network) (err error) {
			if n.capture, err = capture.Open(b.Ether, capture.Options{}); err != nil {
				return err
			}
			links, err := b.Ends()
			if err != nil {
				return err
			}
			ends := map[int]capture.End{}
			for index, l := range links {
				for side := range l.Ends {
					if l.Ends[side].Index == index {
						ends[index] = capture.End{Link: l.ID, Side: netem.Side(side)}
					}
				}
			}
			return n.capture.Start(ends)
		},
	})
	check(t, err)
	t.Cleanup(func() { n.capture.Close(); n.Close() })
	return n
}

// dial connects and closes; a connection that comes about is closed with RST.
func (n *network) dial(from string, to netip.AddrPort, local uint16, timeout time.Duration) {
	n.t.Helper()
	d := net.Dialer{Timeout: timeout, LocalAddr: &net.TCPAddr{Port: int(local)}}
	d.SetMultipathTCP(false)
	_ = n.Nodes[n.Plan.Topology.NodeIndex(from)].NS.Do(func() error {
		c, err := d.Dial("tcp", to.String())
		if err == nil {
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}
		return err
	})
}

func (n *network) addr(from, node string, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(n.Plan.Resolve(n.Plan.Topology.NodeIndex(from), n.Plan.Topology.NodeIndex(node), true), port)
}

// flow describes the journeys of the connection from a port of a node.
func (n *network) flow(from string, to netip.AddrPort, local uint16) (out []string, server []observe.StateChange) {
	n.t.Helper()
	rules, err := n.Rules()
	check(n.t, err)
	n.mu.Lock()
	drops := slices.Clone(n.drops)
	n.mu.Unlock()
	js := journey.Trace(journey.Input{Plan: n.Plan, Frames: n.capture.Since(0), Drops: drops, Rules: rules, Until: time.Now().Add(time.Minute)})
	c := journey.Connection{Client: from, Local: netip.AddrPortFrom(n.own(from), local), Remote: to}
	js = journey.Flow(n.Plan, js, c)
	for i := range js {
		j, what := &js[i], "ICMP"
		if j.Packet().TCP != nil {
			what = j.Packet().TCP.Flags.String()
		}
		end := j.Fate.Drop.Node + " " + string(j.Fate.Drop.Cause) + " " + j.Fate.Drop.Rule + " " + j.Fate.Drop.Answer
		if j.Fate.Delivered {
			end = journey.Node(n.Plan, j.Last())
		}
		out = append(out, fmt.Sprintf("%s %s-%s", what, journey.Node(n.Plan, &j.Sightings[0]), end))
	}
	_, server = journey.States(n.Plan, js, c, time.Time{})
	return out, server
}

func (n *network) own(node string) netip.Addr {
	return n.Plan.Nodes[n.Plan.Topology.NodeIndex(node)].Interfaces[0].Addresses[0].Addr()
}

// What real kernels send through a firewall and a NAT is followed to its fate.
func TestRealConnectionsAreFollowed(t *testing.T) {
	rule := func(name string, port uint16, action topo.Action, with topo.RejectWith) topo.Rule {
		return topo.Rule{Name: name, Hook: topo.Forward, Match: topo.Match{Proto: "tcp", Dport: topo.PortRange{First: port, Last: port}}, Action: action, With: with}
	}
	n := up(t, topo.Topology{
		Seed: 1,
		Nodes: []topo.Node{
			{Name: "client", Role: topo.Host},
			{Name: "nat", Role: topo.Router, NAT: &topo.NAT{Outside: "fw"}, Routes: []topo.Route{{To: netip.MustParsePrefix("203.0.113.0/24"), Kind: topo.Unicast, Via: "fw"}}},
			{Name: "fw", Role: topo.Router, Firewall: []topo.Rule{
				rule("silent", 81, topo.DropPacket, ""), rule("reset", 82, topo.Reject, topo.TCPReset), rule("host", 83, topo.Reject, topo.HostUnreachable),
			}, Routes: []topo.Route{{To: netip.MustParsePrefix("203.0.113.0/24"), Kind: topo.Blackhole}}},
			{Name: "server", Role: topo.Host},
		},
		Links: []topo.Link{{Ends: [2]string{"client", "nat"}}, {Ends: [2]string{"nat", "fw"}}, {Ends: [2]string{"fw", "server"}}},
	})
	var l net.Listener
	check(t, n.Nodes[3].NS.Do(func() (err error) { l, err = net.Listen("tcp4", ":80"); return err }))
	defer l.Close()
	const quick, slow = 300 * time.Millisecond, time.Minute
	for i, c := range []struct {
		name    string
		to      netip.AddrPort
		timeout time.Duration
		// want are the first packets.
		want   []string
		server []observe.State
	}{
		{"open", n.addr("client", "server", 80), slow, []string{"SYN client-server", "SYN-ACK server-client", "ACK client-server", "RST-ACK client-server"},
			[]observe.State{observe.SynReceived, observe.Established, observe.Closed}},
		{"closed", n.addr("client", "server", 84), slow, []string{"SYN client-server", "RST-ACK server-client"}, nil},
		{"dropped", n.addr("client", "server", 81), quick, []string{"SYN client-fw rule silent "}, nil},
		{"reset", n.addr("client", "server", 82), slow, []string{"SYN client-fw rule reset tcp-reset", "RST-ACK fw-client"}, nil},
		{"unreachable", n.addr("client", "server", 83), slow, []string{"SYN client-fw rule host host-unreachable", "ICMP fw-client"}, nil},
		{"blackhole", netip.MustParseAddrPort("203.0.113.9:80"), quick, []string{"SYN client-fw blackhole  "}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			local := uint16(20000 + i)
			n.dial("client", c.to, local, c.timeout)
			if c.name == "open" {
				n.waitForReset(local)
			}
			got, server := n.flow("client", c.to, local)
			if len(got) < len(c.want) || !slices.Equal(got[:len(c.want)], c.want) {
				t.Errorf("packets\n\t%q, want first\n\t%q", got, c.want)
			}
			var states []observe.State
			for _, s := range server {
				states = append(states, s.State)
			}
			if !slices.Equal(states, c.server) {
				t.Errorf("server %v, want %v", states, c.server)
			}
		})
	}
}

// waitForReset returns when a RST from a port has reached the server.
func (n *network) waitForReset(local uint16) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), time.Minute)
	defer cancel()
	_, err := n.capture.Wait(ctx, 0, func(f observe.Frame) bool {
		p, _ := decode.Frame(f)
		return !f.Sent && f.Link == 2 && p != nil && p.TCP != nil && p.TCP.SrcPort == local && p.TCP.Flags&topo.RST != 0
	})
	check(n.t, err)
}
