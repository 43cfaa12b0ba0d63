package run_test

import (
	"strings"
	"testing"
	"time"

	"testbed/agents"
	"testbed/netem"
	"testbed/observe"
	"testbed/scenarios/spec"
	"testbed/topo"
)

// onlyByTimer has a sender find a loss by its retransmission timer alone, after 200 ms
// at least: longer than any machine is late.
var onlyByTimer = []topo.Sysctl{
	{Name: "net.ipv4.tcp_sack", Value: "0"}, {Name: "net.ipv4.tcp_early_retrans", Value: "0"},
	{Name: "net.ipv4.tcp_recovery", Value: "0"}, {Name: "net.ipv4.tcp_reordering", Value: "300"},
}

// beyondNAT is a client inside a NAT that loses its 50th segment of data, and a server
// that takes and sends bytes.
func beyondNAT() *topo.Topology {
	both := [2]netem.Impairment{{Delay: 2 * time.Millisecond}, {Delay: 2 * time.Millisecond}}
	return &topo.Topology{
		Seed: 1,
		Nodes: []topo.Node{
			{Name: "client", Role: topo.Host, Sysctls: onlyByTimer},
			{Name: "nat", Role: topo.Router, NAT: &topo.NAT{Outside: "server"}, Firewall: []topo.Rule{{
				Name: "the-50th", Hook: topo.Forward, Action: topo.DropPacket,
				Match: topo.Match{Proto: "tcp", Dport: topo.PortRange{First: 9, Last: 9}, Nth: 50},
			}}},
			{Name: "server", Role: topo.Host, Listen: []topo.Listener{{Port: 7, Serve: topo.ServeEcho}, {Port: 9, Serve: topo.ServeSilent}, {Port: 19, Serve: topo.ServeSource}}},
		},
		Links: []topo.Link{{Ends: [2]string{"client", "nat"}, Toward: both}, {Ends: [2]string{"nat", "server"}, Toward: both}},
	}
}

func TestTransferBothWays(t *testing.T) {
	const bytes = 300_000
	lab := open(t, beyondNAT())
	for _, c := range []struct {
		transfer spec.Transfer
		port     uint16
		resent   bool
	}{{spec.Transfer{Connection: "up", Send: bytes}, 9, true}, {spec.Transfer{Connection: "down", Receive: bytes}, 19, false}} {
		if _, err := lab.Connect(t.Context(), spec.Connect{From: "client", Target: target("server", c.port), As: c.transfer.Connection}); err != nil {
			t.Fatal(err)
		}
		o, err := lab.Transfer(t.Context(), c.transfer)
		if err != nil {
			t.Fatal(err)
		}
		x := o.Transfer
		if o.Outcome != agents.Transferred || x.Bytes != bytes || x.Segments < bytes/1460 || x.Stall == nil || x.Sender == nil || x.Sender.RTT < 8*time.Millisecond {
			t.Errorf("%s: %s, %+v", c.transfer.Connection, o.Outcome, x)
			continue
		}
		if got := x.Retransmissions() > 0; got != c.resent {
			t.Errorf("%s: %d retransmissions", c.transfer.Connection, x.Retransmissions())
		}
		if c.resent && (x.Stall.Lost != 1 || x.Stall.Duration < 200*time.Millisecond || x.Stall.Drop != observe.Drop{Node: "nat", Cause: observe.ByRule, Rule: "the-50th"}) {
			t.Errorf("%s: the longest stall is %+v; expected one for the lost segment", c.transfer.Connection, *x.Stall)
		}
		if x.Omitted == 0 || len(o.Journeys) > 200 {
			t.Errorf("%s: %d packets are kept, %d left out", c.transfer.Connection, len(o.Journeys), x.Omitted)
		}
	}
}

// A server that would never send what it is asked for is told of at once.
func TestReceiveFromNoSource(t *testing.T) {
	lab := open(t, beyondNAT())
	if _, err := lab.Connect(t.Context(), spec.Connect{From: "client", Target: target("server", 7), As: "app"}); err != nil {
		t.Fatal(err)
	}
	o, err := lab.Transfer(t.Context(), spec.Transfer{Connection: "app", Receive: 1})
	if err != nil || o.Outcome != agents.Failed || !strings.Contains(o.Detail, "serves echo") {
		t.Errorf("%+v, %v", o, err)
	}
}
