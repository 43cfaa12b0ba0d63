package journey

import (
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
	f := flow{plan: p, js: js, in: make([]bool, len(js)), places: map[place]bool{}, at: map[place][]int{}}
	f.index()
	f.follow(placeOf(c.Client, endpoints{c.Local, c.Remote}))
	f.addErrors()
	var out []observe.Journey
	for i := range js {
		if f.in[i] {
			out = append(out, js[i])
		}
	}
	slices.SortStableFunc(out, func(a, b observe.Journey) int { return a.SentAt().Compare(b.SentAt()) })
	return newest(p, out, c)
}

// flow finds journeys by the places that they pass.
type flow struct {
	plan   *topo.Plan
	js     []observe.Journey
	in     []bool
	places map[place]bool
	at     map[place][]int
}

// Node is the name of the node at whose interface a packet was seen.
func Node(p *topo.Plan, s *observe.Sighting) string {
	return p.Topology.Links[s.Link].Ends[s.Side]
}

func (f *flow) index() {
	for i := range f.js {
		for k := range f.js[i].Sightings {
			if s := &f.js[i].Sightings[k]; s.Packet.TCP != nil && !s.Corrupted {
				at := placeOf(Node(f.plan, s), endpointsOf(s.Packet))
				f.at[at] = append(f.at[at], i)
			}
		}
	}
}

// follow adds every journey that passes a place, and the places that these
// pass.
func (f *flow) follow(first place) {
	for todo := []place{first}; len(todo) > 0; {
		at := todo[0]
		todo = todo[1:]
		if f.places[at] {
			continue
		}
		f.places[at] = true
		for _, i := range f.at[at] {
			if f.in[i] {
				continue
			}
			f.in[i] = true
			for k := range f.js[i].Sightings {
				if s := &f.js[i].Sightings[k]; !s.Corrupted {
					todo = append(todo, placeOf(Node(f.plan, s), endpointsOf(s.Packet)))
				}
			}
		}
	}
}

// addErrors adds the ICMP errors that quote one of the connection's segments
// where such a segment passed.
func (f *flow) addErrors() {
	for i := range f.js {
		f.in[i] = f.in[i] || slices.ContainsFunc(f.js[i].Sightings, func(s observe.Sighting) bool {
			m := s.Packet.ICMP
			return m != nil && m.Quoted != nil && m.Quoted.TCP != nil && f.places[placeOf(Node(f.plan, &s), endpointsOf(m.Quoted))]
		})
	}
}

// newest leaves out what was sent before the last connection's first SYN.
func newest(p *topo.Plan, js []observe.Journey, c Connection) []observe.Journey {
	first, seq := 0, uint32(0)
	found := false
	for i := range js {
		h := js[i].Packet().TCP
		if h == nil || h.Flags&(topo.SYN|topo.ACK) != topo.SYN || Node(p, &js[i].Sightings[0]) != c.Client {
			continue
		}
		if !found || h.Seq != seq {
			first, seq, found = i, h.Seq, true
		}
	}
	return js[first:]
}
