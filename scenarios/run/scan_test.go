package run_test

import (
	"testing"
	"time"

	"testbed/agents"
	"testbed/netem"
	"testbed/observe"
	"testbed/scenarios/run"
	"testbed/scenarios/spec"
	"testbed/topo"
)

// filtering is scanner – fw – server, with rules in the firewall and, of one's own,
// in the scanner.
func filtering(t *testing.T, fw, own []topo.Rule) *run.Lab {
	t.Helper()
	half := netem.Impairment{Delay: 5 * time.Millisecond}
	toward := [2]netem.Impairment{half, half}
	lab, err := run.Open(t.Context(), &topo.Topology{
		Seed: 1,
		Nodes: []topo.Node{
			{Name: "scanner", Role: topo.Host, Firewall: own},
			{Name: "fw", Role: topo.Router, Firewall: fw},
			{Name: "server", Role: topo.Host, Listen: []topo.Listener{{Port: 80, Serve: topo.ServeEcho}, {Port: 81, Serve: topo.ServeEcho}}},
		},
		Links: []topo.Link{{Ends: [2]string{"scanner", "fw"}, Toward: toward}, {Ends: [2]string{"fw", "server"}, Toward: toward}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lab.Close() })
	return lab
}

func tcpPort(name string, first, last uint16, a topo.Action) topo.Rule {
	return topo.Rule{Name: name, Hook: topo.Forward, Match: topo.Match{Proto: "tcp", To: "server", Dport: topo.PortRange{First: first, Last: last}}, Action: a}
}

func portsTo(last uint16) (ports []uint16) {
	for p := uint16(1); p <= last; p++ {
		ports = append(ports, p)
	}
	return ports
}

// TestScanOfManySilentPorts holds that silent ports are waited for side by side,
// and that each one's SYNs are told from the others'.
func TestScanOfManySilentPorts(t *testing.T) {
	lab := filtering(t, []topo.Rule{tcpPort("hide", 100, 65535, topo.DropPacket)}, nil)
	o, err := lab.Scan(t.Context(), spec.Scan{From: "scanner", Host: "server", Ports: portsTo(1000), Text: "1-1000", Retries: 2})
	if err != nil {
		t.Fatal(err)
	}
	if o.Elapsed > 5*time.Second {
		t.Errorf("it took %v", o.Elapsed)
	}
	for _, p := range o.Ports {
		switch {
		case p.Number == 80 || p.Number == 81:
			if p.State != agents.PortOpen || p.By != "server" {
				t.Errorf("%+v", p)
			}
		case p.Number < 100:
			if p.State != agents.PortClosed || p.By != "server" {
				t.Errorf("%+v", p)
			}
		case p.State != agents.PortFiltered || p.Probes != 3 || len(p.Drops) != 3:
			t.Errorf("%+v", p)
		default:
			for _, d := range p.Drops {
				if d != (observe.Drop{Node: "fw", Cause: observe.ByRule, Rule: "hide"}) {
					t.Errorf("port %d: %+v", p.Number, d)
				}
			}
		}
	}
}

// TestScanWithOwnFirewall holds that the scanner's own firewall applies, and that
// the port says so.
func TestScanWithOwnFirewall(t *testing.T) {
	own := tcpPort("own", 81, 81, topo.DropPacket)
	own.Hook = topo.Output
	lab := filtering(t, nil, []topo.Rule{own})
	o, err := lab.Scan(t.Context(), spec.Scan{From: "scanner", Host: "server", Ports: []uint16{80, 81}, Text: "80,81"})
	if err != nil {
		t.Fatal(err)
	}
	if o.Ports[0].State != agents.PortOpen || o.Ports[1].State != agents.PortFiltered || o.Ports[1].Errno != "EPERM" || o.Ports[1].Probes != 0 {
		t.Errorf("%+v", o.Ports)
	}
}

// TestScansRepeat holds that a second scan is not disturbed by the flows of the
// first, and that both find the same.
func TestScansRepeat(t *testing.T) {
	lab := filtering(t, []topo.Rule{{Name: "stray", Hook: topo.Forward, Match: topo.Match{State: "invalid"}, Action: topo.DropPacket}}, nil)
	for range 3 {
		o, err := lab.Scan(t.Context(), spec.Scan{From: "scanner", Host: "server", Ports: []uint16{79, 80, 81}, Text: "79-81", Family: spec.IPv6})
		if err != nil {
			t.Fatal(err)
		}
		if got := agents.FormatPorts(o.InState(agents.PortOpen)) + "/" + agents.FormatPorts(o.InState(agents.PortClosed)); got != "80-81/79" || o.Unseen > 0 {
			t.Errorf("%s, %d frames unseen", got, o.Unseen)
		}
		for _, p := range o.Ports {
			if p.Probes != 1 {
				t.Errorf("port %d was sent %d SYNs", p.Number, p.Probes)
			}
		}
	}
}

// TestScanOfDamagedAnswers holds that an answer in which a link flips a bit is none, as
// it is to a program that connects.
func TestScanOfDamagedAnswers(t *testing.T) {
	damage := &netem.Faults{{Name: "damage", Pick: netem.Pick{Flags: uint8(topo.SYN | topo.ACK)}, Do: netem.CorruptPacket}}
	lab, err := run.Open(t.Context(), &topo.Topology{
		Seed:  1,
		Nodes: []topo.Node{{Name: "scanner", Role: topo.Host}, {Name: "server", Role: topo.Host, Listen: []topo.Listener{{Port: 80, Serve: topo.ServeEcho}}}},
		Links: []topo.Link{{Ends: [2]string{"scanner", "server"}, Toward: [2]netem.Impairment{{Faults: damage}, {}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lab.Close() })
	for _, family := range []spec.Family{spec.IPv4, spec.IPv6} {
		o, err := lab.Scan(t.Context(), spec.Scan{From: "scanner", Host: "server", Ports: []uint16{79, 80}, Text: "79-80", Family: family})
		if err != nil {
			t.Fatal(err)
		}
		if closed := o.Ports[0]; closed.State != agents.PortClosed {
			t.Errorf("%s: %+v", family, closed)
		}
		p := o.Ports[1]
		if p.State != agents.PortFiltered || p.Answer != agents.NoAnswer || len(p.Drops) == 0 || p.Drops[0].Fault != "damage" {
			t.Errorf("%s: %+v", family, p)
		}
	}
}
