// Package ladder draws packets as a ladder diagram for a terminal: one column a
// node, one arrow a packet, time going down.
package ladder

import (
	"cmp"
	"slices"
	"time"

	"testbed/netem"
	"testbed/observe"
	"testbed/observe/relative"
	"testbed/topo"
)

// Diagram is a ladder diagram before it is laid out.
type Diagram struct {
	// Columns are the nodes' names from left to right.
	Columns []string
	// Arrows are in order of sending.
	Arrows []Arrow
}

// Arrow is a packet on its way through one or more columns, all in one
// direction.
type Arrow struct {
	// Columns are the columns that it touched: the sender's first, then those of
	// the routers, last the one where it arrived or died.
	Columns []int
	// Toward is the column that it was on its way to when End is OnLink, and
	// otherwise -1.
	Toward int
	// Sent and Arrived are when it left its first column and when it reached its
	// last one, since the first packet of the diagram. Arrived is negative when it
	// is not known.
	Sent, Arrived time.Duration
	// Midway is true of a packet that a link made: it begins between its first two
	// columns.
	Midway bool
	End    End
	// Name says what the packet is: "SYN-ACK", "ICMP port unreachable".
	Name string
	// Numbers are the relative sequence and acknowledgement numbers and the
	// payload's length: "seq=0 ack=1 len=517".
	Numbers string
	// Remarks are what else is to be said, such as "retransmission".
	Remarks []string
	// Killed says what killed it, empty unless it died.
	Killed string
	Kind   Kind
}

// End is how an arrow ends.
type End int

// The ends.
const (
	// Arrived is an arrow that ends at its last column.
	Arrived End = iota
	// AtNode is a packet that its last column killed, or found to be corrupted.
	AtNode
	// OnLink is a packet that died between its last column and Toward.
	OnLink
	// OnTheWay is a packet that was still between its last column and Toward.
	OnTheWay
)

// Kind is what an arrow is coloured by.
type Kind int

// The kinds of arrows.
const (
	Plain Kind = iota
	Retransmission
	Reset
	ICMP
)

// From makes a diagram of packets. The nodes are the columns from left to
// right; a node that packets crossed but that is not among them gets a column
// beside the one it was reached from. linkEnds names the two nodes that a link
// joins. Numbers are relative to the initial sequence number of each direction,
// or to the first one seen when the connection began before.
func From(journeys []observe.Journey, nodes []string, linkEnds func(link int) [2]string) Diagram {
	return After(nil, journeys, nodes, linkEnds)
}

// After is From for packets that came after others of the same connections,
// which are not drawn: numbers go on from theirs.
func After(earlier, journeys []observe.Journey, nodes []string, linkEnds func(link int) [2]string) Diagram {
	js := make([]*observe.Journey, 0, len(journeys))
	for i := range journeys {
		if len(journeys[i].Sightings) > 0 {
			js = append(js, &journeys[i])
		}
	}
	slices.SortStableFunc(js, func(a, b *observe.Journey) int { return a.SentAt().Compare(b.SentAt()) })
	b := builder{d: Diagram{Columns: slices.Clone(nodes)}, linkEnds: linkEnds, numbers: relative.New()}
	for i := range earlier {
		if len(earlier[i].Sightings) > 0 {
			numbersText(b.numbers, &earlier[i])
		}
	}
	routes := make([]route, len(js))
	for i, j := range js {
		routes[i] = b.route(j)
		b.columns(routes[i])
	}
	b.overtook = overtakings(js)
	for i, j := range js {
		b.arrows(j, routes[i], js[0].SentAt(), b.remarks(js, routes, i))
	}
	slices.SortStableFunc(b.d.Arrows, func(x, y Arrow) int { return cmp.Compare(x.Sent, y.Sent) })
	return b.d
}

type builder struct {
	d        Diagram
	linkEnds func(int) [2]string
	numbers  *relative.Numbers
	// overtook is how many packets each packet overtook.
	overtook []int
}

// nodeAt is the node at whose interface a packet was seen.
func (b *builder) nodeAt(s *observe.Sighting) string { return b.linkEnds(s.Link)[s.Side] }

// hop is a node that a packet touched, with when it came and when it left; a
// zero time is not known.
type hop struct {
	node       string
	came, left time.Time
}

// route is a packet's way through the nodes.
type route struct {
	hops []hop
	// toward is the node that it was sent to and not seen to reach.
	toward string
	end    End
	// midway is true when it began on the link between the first two hops.
	midway bool
	// twice is true when it was delivered more than once.
	twice bool
}

func (r *route) last() *hop { return &r.hops[len(r.hops)-1] }

// point is where a packet can be seen.
type point struct {
	link int
	side netem.Side
	sent bool
}

// route follows a packet's sightings. A second sighting at one point is a
// duplicate that a link made.
func (b *builder) route(j *observe.Journey) route {
	var r route
	if first := &j.Sightings[0]; !first.Sent {
		r.hops = append(r.hops, hop{node: b.linkEnds(first.Link)[first.Side.Other()], left: first.Time})
		r.midway = j.Made != nil
	}
	seen := map[point]bool{}
	for i := range j.Sightings {
		s := &j.Sightings[i]
		ends := b.linkEnds(s.Link)
		at := point{s.Link, s.Side, s.Sent}
		if seen[at] {
			r.twice = r.twice || !s.Sent && ends[s.Side] == r.last().node
			continue
		}
		seen[at] = true
		r.pass(ends[s.Side], s)
		r.toward = ""
		if s.Sent {
			r.toward = ends[s.Side.Other()]
		}
	}
	r.finish(&j.Fate)
	return r
}

func (r *route) pass(node string, s *observe.Sighting) {
	if len(r.hops) == 0 || r.last().node != node {
		r.hops = append(r.hops, hop{node: node})
	}
	if s.Sent {
		r.last().left = s.Time
	} else {
		r.last().came = s.Time
	}
}

// finish decides how the route ends, with what the fate knows beyond the
// sightings.
func (r *route) finish(f *observe.Fate) {
	reach := func(node string) {
		if node != "" && r.last().node != node {
			r.hops = append(r.hops, hop{node: node})
		}
		r.toward = ""
	}
	switch {
	case f.Delivered:
		reach(r.toward)
	case f.Drop.Node != "":
		r.end = AtNode
		reach(f.Drop.Node)
	case f.Drop.Cause == observe.Corrupted && r.toward == "":
		r.end = AtNode
	case f.Drop.Link[1] != "":
		r.end = OnLink
		reach(f.Drop.Link[0])
		r.toward = f.Drop.Link[1]
	case r.toward != "":
		r.end = OnTheWay
	}
}

// columns adds columns for the nodes of a route that have none.
func (b *builder) columns(r route) {
	previous := -1
	add := func(node string) {
		i := slices.Index(b.d.Columns, node)
		if i < 0 {
			i = previous + 1
			if previous < 0 {
				i = len(b.d.Columns)
			}
			b.d.Columns = slices.Insert(b.d.Columns, i, node)
		}
		previous = i
	}
	for _, h := range r.hops {
		add(h.node)
	}
	if r.toward != "" {
		add(r.toward)
	}
}

// arrows adds a packet's arrows: one, and one more for each time that its route
// turns back.
func (b *builder) arrows(j *observe.Journey, r route, start time.Time, remarks []string) {
	a := Arrow{Name: name(j.Packet()), Numbers: numbersText(b.numbers, j), Remarks: remarks, Midway: r.midway, Kind: kind(j)}
	columns := make([]int, len(r.hops))
	for i, h := range r.hops {
		columns[i] = slices.Index(b.d.Columns, h.node)
	}
	first := 0
	for i := 1; i+1 < len(columns); i++ {
		if (columns[i] > columns[i-1]) == (columns[i+1] > columns[i]) {
			continue
		}
		b.d.Arrows = append(b.d.Arrows, a.between(r.hops, columns, first, i, start))
		first, a.Numbers, a.Remarks, a.Midway = i, "", []string{"the same packet"}, false
	}
	last := len(columns) - 1
	toward := slices.Index(b.d.Columns, r.toward)
	if r.toward != "" && first < last && (toward > columns[last]) != (columns[last] > columns[last-1]) {
		b.d.Arrows = append(b.d.Arrows, a.between(r.hops, columns, first, last, start))
		first, a.Numbers, a.Remarks, a.Midway = last, "", []string{"the same packet"}, false
	}
	a = a.between(r.hops, columns, first, last, start)
	a.End = r.end
	if r.toward != "" {
		a.Toward = toward
		a.Arrived = -1
	}
	if r.end == AtNode || r.end == OnLink {
		a.Killed = killed(j)
	}
	b.d.Arrows = append(b.d.Arrows, a)
}

// between is the arrow of a route's hops from first to last.
func (a Arrow) between(hops []hop, columns []int, first, last int, start time.Time) Arrow {
	a.Columns, a.Toward, a.Arrived = columns[first:last+1], -1, -1
	sent := hops[first].left
	if sent.IsZero() {
		sent = hops[first].came
	}
	a.Sent = sent.Sub(start)
	if came := hops[last].came; !came.IsZero() && last > first {
		a.Arrived = came.Sub(start)
	}
	return a
}

func kind(j *observe.Journey) Kind {
	switch p := j.Packet(); {
	case p.ICMP != nil:
		return ICMP
	case j.Retransmission:
		return Retransmission
	case p.TCP != nil && p.TCP.Flags&topo.RST != 0:
		return Reset
	}
	return Plain
}
