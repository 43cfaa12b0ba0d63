package run

import (
	"testbed/observe"
	"testbed/observe/journey"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

// followMapping makes the node that a NAT's mapping led a connection to its
// target. The plan knows forwarded ports alone: for it the way ends at the NAT.
func (w *watch) followMapping(o *verdict.Observation, c *connection, js []observe.Journey) {
	p := w.lab.net.Plan
	walk := p.Walk(c.from, c.remote)
	end := walk.Nodes[len(walk.Nodes)-1]
	if nat := p.Topology.Nodes[end].NAT; !walk.Arrived || nat == nil || nat.Mapping == "" {
		return
	}
	for i := range js {
		if there := w.way(c, &js[i]); there.Arrived && there.Nodes[len(there.Nodes)-1] != end {
			c.target = there.Nodes[len(there.Nodes)-1]
			o.Target, o.Path = p.Nodes[c.target].Name, w.lab.path(there, c)
			return
		}
	}
}

// way is the way of a packet of the client's, link by link. It has arrived if the
// packet was delivered.
func (w *watch) way(c *connection, j *observe.Journey) topo.Walk {
	p, way := w.lab.net.Plan, topo.Walk{Nodes: []int{c.from}}
	if j.Packet().TCP == nil || !j.Left() || j.Sender != p.Nodes[c.from].Name {
		return way
	}
	at := c.from
	for i := range j.Sightings {
		s := &j.Sightings[i]
		from, to := p.Topology.Links[s.Link].Ends[s.Side.Other()], journey.Node(p, s)
		if s.Sent || p.Topology.NodeIndex(from) != at {
			continue
		}
		at = p.Topology.NodeIndex(to)
		way.Nodes, way.Links, way.To = append(way.Nodes, at), append(way.Links, s.Link), append(way.To, s.Side)
	}
	way.Arrived = j.Fate.Delivered && len(way.Links) > 0
	return way
}
