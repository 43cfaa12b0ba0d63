package journey

import (
	"maps"
	"net/netip"
	"slices"

	"testbed/observe"
	"testbed/topo"
)

// Connection is a TCP connection as its client has it.
type Connection struct {
	// Client is the name of the node that connects.
	Client string
	// Local and Remote are the client's socket's ends. Where a NAT redirects,
	// Remote is what the client meant.
	Local, Remote netip.AddrPort
}

// place is a connection's ends as they are at a node, in the order in which
// they compare less.
type place struct {
	node string
	endpoints
}

func placeOf(node string, e endpoints) place {
	if e.dst.Compare(e.src) < 0 {
		e = e.reverse()
	}
	return place{node, e}
}

// Flow returns the journeys of one connection, in order of sending: its
// segments in both directions, through address translation, whoever sent them
// (a router may answer in the server's name), and the ICMP errors about them.
// Where the journeys hold the connection's first SYN, what was sent before it
// belongs to an earlier connection of the same ends and is left out; where they
// hold several, the last one counts.
func Flow(p *topo.Plan, js []observe.Journey, c Connection) []observe.Journey {
	return NewFlows(p, js).Of(c)
}

// Flows finds the journeys of many connections by the places that they pass.
type Flows struct {
	plan *topo.Plan
	js   []observe.Journey
	// at are the segments by the places that they pass, about the ICMP errors by the
	// places at which they were seen and the segment that they quote would have been.
	at, about map[place][]int
}

// NewFlows indexes journeys, which the caller does not change.
func NewFlows(p *topo.Plan, js []observe.Journey) *Flows {
	f := &Flows{plan: p, js: js, at: map[place][]int{}, about: map[place][]int{}}
	for i := range js {
		for k := range js[i].Sightings {
			f.index(i, &js[i].Sightings[k])
		}
	}
	return f
}

// Node is the name of the node at whose interface a packet was seen.
func Node(p *topo.Plan, s *observe.Sighting) string {
	return p.Topology.Links[s.Link].Ends[s.Side]
}

func (f *Flows) index(i int, s *observe.Sighting) {
	m := s.Packet.ICMP
	switch {
	case s.Packet.TCP != nil && !s.Corrupted:
		at := placeOf(Node(f.plan, s), endpointsOf(s.Packet))
		f.at[at] = append(f.at[at], i)
	case m != nil && m.Quoted != nil && m.Quoted.TCP != nil:
		at := placeOf(Node(f.plan, s), endpointsOf(m.Quoted))
		f.about[at] = append(f.about[at], i)
	}
}

// Of is Flow among the journeys.
func (f *Flows) Of(c Connection) []observe.Journey {
	in, places := f.follow(placeOf(c.Client, endpoints{c.Local, c.Remote}))
	for at := range places {
		for _, i := range f.about[at] {
			in[i] = true
		}
	}
	var out []observe.Journey
	for _, i := range slices.Sorted(maps.Keys(in)) {
		out = append(out, f.js[i])
	}
	slices.SortStableFunc(out, func(a, b observe.Journey) int { return a.SentAt().Compare(b.SentAt()) })
	return newest(f.plan, out, c)
}

// follow is every journey that passes a place, or one that these pass, and all of
// these places.
func (f *Flows) follow(first place) (in map[int]bool, places map[place]bool) {
	in, places = map[int]bool{}, map[place]bool{}
	for todo := []place{first}; len(todo) > 0; {
		at := todo[0]
		todo = todo[1:]
		if places[at] {
			continue
		}
		places[at] = true
		for _, i := range f.at[at] {
			if in[i] {
				continue
			}
			in[i] = true
			for k := range f.js[i].Sightings {
				if s := &f.js[i].Sightings[k]; !s.Corrupted {
					todo = append(todo, placeOf(Node(f.plan, s), endpointsOf(s.Packet)))
				}
			}
		}
	}
	return in, places
}

// newest leaves out what was sent before the last connection's first SYN.
func newest(p *topo.Plan, js []observe.Journey, c Connection) []observe.Journey {
	first, seq := 0, uint32(0)
	found := false
	for i := range js {
		h := js[i].Packet().TCP
		s := &js[i].Sightings[0]
		if h == nil || h.Flags&(topo.SYN|topo.ACK) != topo.SYN || !s.Sent || Node(p, s) != c.Client {
			continue
		}
		if !found || h.Seq != seq {
			first, seq, found = i, h.Seq, true
		}
	}
	return js[first:]
}

// Datagrams returns the journeys of the UDP datagrams to and from a client's socket,
// through address translation, and the ICMP errors about them that reached it.
func Datagrams(p *topo.Plan, js []observe.Journey, client string, local netip.AddrPort) (out []observe.Journey) {
	for i := range js {
		if slices.ContainsFunc(js[i].Sightings, func(s observe.Sighting) bool { return Node(p, &s) == client && ofSocket(s.Packet, local) }) {
			out = append(out, js[i])
		}
	}
	return out
}

// ofSocket tells whether a packet is of a UDP socket, or an error about one that is.
func ofSocket(p *observe.Packet, local netip.AddrPort) bool {
	if p.ICMP != nil && p.ICMP.Quoted != nil {
		p = p.ICMP.Quoted
	}
	return p.UDP != nil && (netip.AddrPortFrom(p.Src, p.UDP.SrcPort) == local || netip.AddrPortFrom(p.Dst, p.UDP.DstPort) == local)
}
