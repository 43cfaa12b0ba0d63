package scan_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"testbed/agents"
	"testbed/agents/scan"
	"testbed/agents/tcp"
	"testbed/topo"
	"testbed/topo/netns"
	"testbed/topo/netns/netnstest"
	"testbed/topo/sandbox"
)

func TestMain(m *testing.M) { sandbox.TestMain(m) }

var quick = topo.Rate{Packets: 10_000, Per: "second"}

// alone is a namespace with nothing but its loopback interface, and a listener on
// port 80.
func alone(t *testing.T) *netns.NS {
	t.Helper()
	ns := netnstest.Loopback(t)
	l, err := tcp.Listen(ns, 80, 1, func(*net.TCPConn) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return ns
}

func TestOpenAndClosed(t *testing.T) {
	ns := alone(t)
	for _, to := range []string{"127.0.0.1", "::1"} {
		var ports []uint16
		for p := uint16(1); p <= 1000; p++ {
			ports = append(ports, p)
		}
		r, err := scan.Run(t.Context(), ns, scan.Options{Target: netip.MustParseAddr(to), Ports: ports, Due: quick.Due, Seed: 7})
		if err != nil {
			t.Fatal(err)
		}
		if r.Source != netip.MustParseAddr(to) || r.Deadline {
			t.Errorf("from %s, deadline %t", r.Source, r.Deadline)
		}
		for i, p := range r.Ports {
			want, answer := agents.PortClosed, agents.AnswerReset
			if p.Number == 80 {
				want, answer = agents.PortOpen, agents.AnswerSynAck
			}
			if p.Number != ports[i] || p.State != want || p.Answer != answer || p.Probes != 1 || p.After <= 0 || p.Source != r.Ports[0].Source {
				t.Errorf("%s: %+v", to, p)
			}
		}
	}
}

// TestNoRoute scans an address to which there is no way.
func TestNoRoute(t *testing.T) {
	r, err := scan.Run(t.Context(), alone(t), scan.Options{Target: netip.MustParseAddr("192.0.2.1"), Ports: []uint16{80}, Due: quick.Due})
	if err != nil {
		t.Fatal(err)
	}
	if p := r.Ports[0]; p.State != agents.PortFiltered || p.Errno != "ENETUNREACH" || p.Probes != 0 {
		t.Errorf("%+v", p)
	}
}

// longest is what even a busy machine does not take.
const longest = 10 * time.Second

// TestPace holds the time that 100 SYNs take against their rate.
func TestPace(t *testing.T) {
	var ports []uint16
	for p := uint16(1); p <= 101; p++ {
		ports = append(ports, p)
	}
	rate := topo.Rate{Packets: 500, Per: "second"}
	r, err := scan.Run(t.Context(), alone(t), scan.Options{Target: netip.MustParseAddr("127.0.0.1"), Ports: ports, Due: rate.Due})
	if err != nil {
		t.Fatal(err)
	}
	if r.Elapsed < 200*time.Millisecond || r.Elapsed > longest {
		t.Errorf("it took %v, want 200ms", r.Elapsed)
	}
}

// TestTimeout ends a scan before its last ports.
func TestTimeout(t *testing.T) {
	const timeout = 75 * time.Millisecond
	twoAnHour := func(n int) time.Duration { return time.Duration(n/2) * time.Hour }
	r, err := scan.Run(t.Context(), alone(t), scan.Options{Target: netip.MustParseAddr("127.0.0.1"), Ports: []uint16{1, 2, 3, 4}, Due: twoAnHour, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Deadline || r.Elapsed < timeout || r.Elapsed > longest || r.Ports[1].State != agents.PortClosed || r.Ports[2].State != "" || r.Ports[3].Probes != 0 {
		t.Errorf("%+v", r)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := scan.Run(ctx, alone(t), scan.Options{Target: netip.MustParseAddr("127.0.0.1"), Ports: []uint16{1}, Due: topo.Rate{Packets: 1, Per: "second"}.Due})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
