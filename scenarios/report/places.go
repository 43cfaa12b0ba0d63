package report

import (
	"testbed/netem"
	"testbed/observe"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

// places names the node at each end of each link.
type places map[end]string

type end struct {
	link int
	side netem.Side
}

// placesOf takes the names from the topology, or without one infers them from
// the packets that travelled the step's path.
func placesOf(t *topo.Topology, o *verdict.Observation, fromClient func(*observe.Journey) bool) places {
	p := places{}
	if t != nil {
		for i := range t.Links {
			p[end{i, 0}], p[end{i, 1}] = t.Links[i].Ends[0], t.Links[i].Ends[1]
		}
		return p
	}
	there := o.Path.Nodes
	back := make([]string, len(there))
	for i, n := range there {
		back[len(there)-1-i] = n
	}
	for i := range o.Journeys {
		if j := &o.Journeys[i]; fromClient(j) {
			p.follow(j, there)
		}
	}
	for i := range o.Journeys {
		j := &o.Journeys[i]
		if j.Fate.Delivered && isFlags(j, topo.SYN|topo.ACK) && !fromClient(j) {
			p.follow(j, back)
		}
	}
	return p
}

// follow learns the ends of the links that a packet crossed along a path.
func (p places) follow(j *observe.Journey, path []string) {
	at, sent := 0, false
	for i := range j.Sightings {
		s := &j.Sightings[i]
		if s.Sent == sent {
			return // a duplicate, or a frame that the capture missed
		}
		if sent = s.Sent; !sent {
			at++
		}
		if at >= len(path) {
			return
		}
		if k := (end{s.Link, s.Side}); p[k] == "" {
			p[k] = path[at]
		}
	}
}

// node is the node at whose interface a packet was seen, empty if not known.
func (p places) node(s *observe.Sighting) string { return p[end{s.Link, s.Side}] }

// origin is the node that sent a packet.
func (p places) origin(j *observe.Journey) string {
	if len(j.Sightings) == 0 || !j.Sightings[0].Sent {
		return ""
	}
	return p.node(&j.Sightings[0])
}

func isFlags(j *observe.Journey, want topo.TCPFlags) bool {
	t := j.Packet().TCP
	return t != nil && t.Flags&^topo.PSH == want
}
