package run_test

import (
	"net/netip"
	"testing"
	"time"

	"testbed/agents"
	"testbed/netem"
	"testbed/observe"
	"testbed/scenarios/run"
	"testbed/scenarios/spec"
	"testbed/topo"
)

// besieged is attacker and client – router – server, whose listener has room for 13
// half-open connections and sends SYN cookies if it is told to.
func besieged(t *testing.T, cookies string) *run.Lab {
	t.Helper()
	half := netem.Impairment{Delay: 5 * time.Millisecond}
	link := func(a, b string) topo.Link {
		return topo.Link{Ends: [2]string{a, b}, Toward: [2]netem.Impairment{half, half}}
	}
	lab, err := run.Open(t.Context(), &topo.Topology{
		Seed: 1,
		Nodes: []topo.Node{
			{Name: "attacker", Role: topo.Host}, {Name: "client", Role: topo.Host},
			{Name: "router", Role: topo.Router, Routes: []topo.Route{
				{To: netip.MustParsePrefix("203.0.113.0/24"), Kind: topo.Blackhole}, {To: netip.MustParsePrefix("3fff::/20"), Kind: topo.Blackhole},
			}},
			{Name: "server", Role: topo.Host, Listen: []topo.Listener{{Port: 80, Serve: topo.ServeEcho, Backlog: 16}},
				Sysctls: []topo.Sysctl{{Name: "net.ipv4.tcp_syncookies", Value: cookies}, {Name: "net.ipv4.tcp_max_syn_backlog", Value: "16"}}},
		},
		Links: []topo.Link{link("attacker", "router"), link("client", "router"), link("router", "server")},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	return lab
}

var web = spec.Target{Host: "server", Port: 80}

// TestSpoofedFlood holds in both families that a flood fills the queue, what it
// came to, and that a client's report is about the client alone.
func TestSpoofedFlood(t *testing.T) {
	for family, from := range map[spec.Family]string{spec.IPv4: "203.0.113.0/24", spec.IPv6: "3fff::/20"} {
		t.Run(string(family), func(t *testing.T) {
			lab := besieged(t, "0")
			flood, err := lab.Flood(t.Context(), spec.Flood{
				From: "attacker", Target: web, Family: family, Rate: topo.Rate{Packets: 2000, Per: "second"}, Spoof: netip.MustParsePrefix(from), Background: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := lab.Wait(t.Context(), 200*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			o, err := lab.Do(t.Context(), &spec.Step{Connect: &spec.Connect{From: "client", Target: web, Family: family, Timeout: 500 * time.Millisecond}})
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > 1500*time.Millisecond {
				t.Errorf("to observe the connection took %v", took)
			}
			if want := (observe.Drop{Node: "server", Cause: observe.BySynQueue}); o.Outcome != agents.TimedOut || !o.RulesShared || len(o.Journeys) != 1 || o.Journeys[0].Fate.Drop != want {
				t.Errorf("%s, %d packets: %+v", o.Outcome, len(o.Journeys), o.Journeys)
			}
			if err := lab.EndFloods(t.Context()); err != nil {
				t.Fatal(err)
			}
			f := flood.Flood
			if f.Sent < 1000 || f.Arrived != f.Sent || f.Answered != 13 || f.Failed != 0 || f.Counters["SyncookiesSent"] != 0 {
				t.Errorf("%+v, %d frames unseen", f, flood.Unseen)
			}
			// One of the drops is the client's SYN.
			if drops := f.Counters["ListenDrops"]; drops != uint64(f.Sent-13+1) {
				t.Errorf("%d drops of %d SYNs", drops, f.Sent)
			}
		})
	}
}

// TestFloodFromOwnAddress holds that the attacker's kernel resets what a flood from
// its own address is answered with, so that the queue of 13 stays empty: one or two
// SYNs come within a round trip.
func TestFloodFromOwnAddress(t *testing.T) {
	lab := besieged(t, "0")
	o, err := lab.Flood(t.Context(), spec.Flood{From: "attacker", Target: web, Rate: topo.Rate{Packets: 60, Per: "second"}, Duration: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	// A machine that is busy at the end has 100 ms to catch up.
	late := o.Elapsed > 600*time.Millisecond
	if f := o.Flood; f.Sent > 30 || f.Sent < 30 && !late || f.Arrived != f.Sent || f.Answered != f.Sent || f.Counters["ListenDrops"] != 0 || f.Spoofed {
		t.Errorf("%+v in %v", f, o.Elapsed)
	}
	if o.Elapsed < 500*time.Millisecond || o.Elapsed > 10*time.Second {
		t.Errorf("it took %v", o.Elapsed)
	}
	// A connection from the same node to the same port is not taken for the flood's.
	c, err := lab.Connect(t.Context(), spec.Connect{From: "attacker", Target: web})
	if err != nil {
		t.Fatal(err)
	}
	if c.Outcome != agents.Connected || len(c.Journeys) != 3 {
		t.Errorf("%s with %d packets", c.Outcome, len(c.Journeys))
	}
}

// TestFloodAgainstCookies holds that the counters tell of cookies sent and taken.
func TestFloodAgainstCookies(t *testing.T) {
	lab := besieged(t, "1")
	flood, err := lab.Flood(t.Context(), spec.Flood{From: "attacker", Target: web, Spoof: netip.MustParsePrefix("203.0.113.0/24"), Background: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lab.Wait(t.Context(), 100*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	c, err := lab.Connect(t.Context(), spec.Connect{From: "client", Target: web})
	if err != nil {
		t.Fatal(err)
	}
	if err := lab.EndFloods(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := flood.Flood.Counters
	if c.Outcome != agents.Connected || n["SyncookiesRecv"] != 1 || n["SyncookiesSent"] < 50 || flood.Flood.Answered != flood.Flood.Sent {
		t.Errorf("%s, %+v", c.Outcome, flood.Flood)
	}
}

// TestFloodEndsWithTheLab leaves a flood in the background when the lab closes.
func TestFloodEndsWithTheLab(t *testing.T) {
	lab := besieged(t, "0")
	if _, err := lab.Flood(t.Context(), spec.Flood{From: "attacker", Target: web, Background: true}); err != nil {
		t.Fatal(err)
	}
}

// TestFloodWithoutRoute holds that the kernel's refusal is what the step observes.
func TestFloodWithoutRoute(t *testing.T) {
	lab, err := run.Open(t.Context(), &topo.Topology{
		Nodes: []topo.Node{{Name: "a", Role: topo.Host}, {Name: "b", Role: topo.Host}},
		Links: []topo.Link{{Ends: [2]string{"a", "b"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer lab.Close()
	o, err := lab.Flood(t.Context(), spec.Flood{From: "a", Target: spec.Target{Host: "192.0.2.1", Port: 80}, Rate: topo.Rate{Packets: 100, Per: "second"}, Duration: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if f := o.Flood; f.Sent != 0 || f.Failed != 5 || o.Errno != "ENETUNREACH" {
		t.Errorf("%+v, %s", f, o.Errno)
	}
}
