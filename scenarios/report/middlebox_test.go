package report

import (
	"time"

	"testbed/agents"
	"testbed/observe"
	"testbed/topo"
)

// middleboxCases are of nodes on the way that change packets, take them, or have no
// room for them.
func middleboxCases() []storyCase {
	clamped := up().handshake(0)
	clamped.obs.Rewrites = []observe.Rewrite{
		{Node: "fw", Field: "mss", From: "1460", To: "1340", Packets: 2, Flags: topo.SYN},
		{Node: "fw", Field: "wscale", From: "7", To: "none", Packets: 1, Flags: topo.SYN},
		{Node: "fw", Field: "timestamps", From: "yes", To: "none", Packets: 1, Flags: topo.SYN},
	}
	bleached := up().handshake(0)
	bleached.obs.Rewrites = []observe.Rewrite{{Node: "fw", Field: observe.FieldECN, From: "ect0", To: "not-ect", Packets: 3, Flags: topo.ACK}}
	taken := observe.Fate{Delivered: true, Taken: observe.Taken{Node: "fw", Rule: "guard"}}
	proxied := newWorld(agents.Connected, "", 40*ms).connectTime(40 * ms)
	proxied.sends(0, "client", tcp(topo.SYN, 0), taken)
	first := &proxied.obs.Journeys[0]
	first.Sightings = first.Sightings[:2]
	proxied.sends(20*ms, "fw", reply(synAckBits, 0), arrives)
	silence := func(f observe.Fate) *world {
		return newWorld(agents.TimedOut, "ETIMEDOUT", 3*time.Second).syns(f, 0, 1010*ms)
	}
	return []storyCase{
		{name: "connected, segments rewritten on the way", world: clamped},
		{name: "connected, ECN bleached", world: bleached},
		{name: "connected by a synproxy", world: proxied},
		{name: "silent, a table of flows is full", world: silence(at("fw", observe.ByFullTable))},
		{name: "silent, a NAT without a free port", world: silence(at("fw", observe.ByExhaustion))},
		{name: "silent, a NAT that filters", world: silence(at("fw", observe.ByFiltering))},
		{name: "silent, rp_filter", world: silence(at("server", observe.ByRPFilter))},
		{name: "silent, a ruleset in another language", world: silence(at("fw", observe.ByRuleset))},
	}
}
