package run_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"testbed/scenarios/run"
	"testbed/scenarios/spec"
	"testbed/topo"
)

// The capture has the SYN at both ends of its link, out of the client first, at
// the kernel's times while the network was there.
func TestAResultKeepsItsCapture(t *testing.T) {
	s := &spec.Scenario{
		Name: "captured",
		Topology: topo.Topology{
			Seed:  1,
			Nodes: []topo.Node{{Name: "client", Role: topo.Host}, {Name: "server", Role: topo.Host, Listen: []topo.Listener{{Port: 80, Serve: topo.ServeEcho}}}},
			Links: []topo.Link{{Ends: [2]string{"client", "server"}}},
		},
		Steps: []spec.Step{{Connect: &spec.Connect{From: "client", Target: spec.Target{Host: "server", Port: 80}}}},
	}
	if r := run.Scenario(t.Context(), s, run.Options{}); r.Err != nil || r.Capture != nil {
		t.Fatalf("a capture that nobody asked for: %v, %v", r.Capture, r.Err)
	}
	r := run.Scenario(t.Context(), s, run.Options{Capture: true})
	ended := time.Now()
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	if r.Capture == nil || r.Capture.Forgotten != 0 {
		t.Fatalf("capture %+v", r.Capture)
	}
	in, err := pcapgo.NewNgReader(bytes.NewReader(r.Capture.File), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	var ends []int
	for {
		data, info, o, err := in.ReadPacketDataWithOptions()
		if err != nil {
			break
		}
		if info.Timestamp.Before(r.Began.Round(0)) || info.Timestamp.After(ended.Round(0)) {
			t.Errorf("a frame at %v, in a scenario from %v to %v", info.Timestamp, r.Began, ended)
		}
		tcp, _ := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.Default).Layer(layers.LayerTypeTCP).(*layers.TCP)
		if tcp == nil || !tcp.SYN || tcp.ACK {
			continue
		}
		if sent := o.Flags.Direction == pcapgo.NgEpbFlagDirectionOutbound; sent != (len(ends) == 0) {
			t.Errorf("SYN %d has direction %d", len(ends), o.Flags.Direction)
		}
		ends = append(ends, info.InterfaceIndex)
	}
	if len(ends) != 2 || ends[0] != 0 || ends[1] != 1 {
		t.Errorf("SYNs at interfaces %v, want 0 and 1", ends)
	}
}
