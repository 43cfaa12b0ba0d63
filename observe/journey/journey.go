// Package journey follows packets from the node that sends them to where they
// end, across hops and address translation, and says what became of them. It
// makes no system call: the same record gives the same journeys.
package journey

import (
	"slices"
	"time"

	"testbed/netem"
	"testbed/observe"
	"testbed/observe/decode"
	"testbed/topo"
)

// Input is what is known of a stretch of time.
type Input struct {
	// Plan is the network as it is in that time: where steps have changed
	// firewalls, routes or links, with these changes in Plan.Nodes, Plan.Links
	// and Plan.Topology.
	Plan *topo.Plan
	// Frames are those at the ends of the plan's links.
	Frames []observe.Frame
	// Drops are the frames that the links' medium did not deliver.
	Drops []netem.Drop
	// Strikes are those that faults befell otherwise.
	Strikes []netem.Strike
	// Counts, by link and side, are what a medium counted that does not tell of each
	// drop. Nil stands for one that does.
	Counts [][2]Count
	// Rules says how often each rule matched in that time; of those with an nth, also
	// those that did not match but were met.
	Rules []observe.RuleCount
	// Until is when the stretch ends. Packets that are on their way at that time
	// are pending. The zero value stands for the last frame's time.
	Until time.Time
}

// Trace puts the frames together to journeys, in order of sending. Sightings of
// one packet are recognised by what routers and NATs leave alone: lengths,
// sequence numbers, flags, time stamps, the IPv4 identification, and a hop limit
// that is one less after each router. A packet that a link delivers twice is one
// journey with the sightings of both copies.
func Trace(in Input) []observe.Journey {
	t := newTracer(in)
	for _, e := range t.events() {
		t.take(e)
	}
	t.markRetransmissions()
	t.decide()
	js := make([]observe.Journey, len(t.travels))
	for i, tr := range t.travels {
		js[i] = tr.Journey
	}
	return js
}

// travel is a journey in the making. Its copies are where the packet, or what a
// link duplicated of it, has got to.
type travel struct {
	observe.Journey
	origin int // the node of its first sighting
	copies []*replica
	// resent is true when the same sequence range is sent again later.
	resent bool
}

// replica is one copy of a packet.
type replica struct {
	travel *travel
	last   observe.Sighting
	// frame is what last entered a link, lane where it is there, and ready when its
	// last bit has been sent at the link's rate, at the latest.
	frame *observe.Frame
	lane  *lane
	ready time.Time
	// node is the one that it has been delivered to, -1 on a link.
	node int
	fate observe.Fate
	// damage is what links have done to it, corruptedBy the fault that is about to.
	damage      *damage
	corruptedBy string
	// answered is true once a fault that loses it has sent a RST.
	answered bool
}

// event is a frame, a drop or a strike.
type event struct {
	time   time.Time
	frame  *observe.Frame
	drop   *netem.Drop
	strike *netem.Strike
}

// tracer follows the frames in order of time.
type tracer struct {
	in    Input
	plan  *topo.Plan
	nodes map[string]int
	// ends are the nodes at the ends of each link.
	ends    [][2]int
	travels []*travel
	// lanes are the packets on links by what they say of themselves, traffic are
	// those of each direction. atNode are the copies that nodes hold.
	lanes   map[linkKey]*lane
	traffic map[way]*traffic
	atNode  map[nodeKey][]*replica
	// made are the frames that faults made and that have not come out yet.
	made map[way][]made
	// solicited are the addresses that nodes asked for on a link.
	solicited []solicitation
	// mappings are the translations that NATs were seen to make.
	mappings map[mappingKey]endpoints
	// counts are what rules matched, former what those on the forward hook did before their
	// node was given others.
	counts, former map[ruleKey]uint64
	// numbering are the counts of rules with an nth, passed the packets that such rules
	// of a node let through, since when its rules have counted.
	numbering map[ruleKey]observe.RuleCount
	passed    map[int][]meeting
	since     map[int]time.Time
	// answers are ICMP errors and RSTs, in order of sending.
	answers map[answerKey][]*travel
}

func newTracer(in Input) *tracer {
	t := &tracer{
		in: in, plan: in.Plan, nodes: map[string]int{},
		lanes: map[linkKey]*lane{}, traffic: map[way]*traffic{}, made: map[way][]made{}, atNode: map[nodeKey][]*replica{},
		mappings: map[mappingKey]endpoints{}, counts: map[ruleKey]uint64{}, former: map[ruleKey]uint64{}, answers: map[answerKey][]*travel{},
		numbering: map[ruleKey]observe.RuleCount{}, passed: map[int][]meeting{}, since: map[int]time.Time{},
	}
	for i := range t.plan.Nodes {
		t.nodes[t.plan.Nodes[i].Name] = i
	}
	for _, l := range t.plan.Topology.Links {
		t.ends = append(t.ends, [2]int{t.nodes[l.Ends[0]], t.nodes[l.Ends[1]]})
	}
	for _, r := range in.Rules {
		if n, ok := t.nodes[r.Node]; ok {
			if k := (ruleKey{n, r.Rule}); !r.Until.IsZero() && t.forwards(k) {
				t.former[k] += r.Packets
				continue
			}
			t.counts[ruleKey{n, r.Rule}] += r.Packets
			if !r.Since.IsZero() {
				t.since[n] = r.Since
			}
			if r.Met > 0 {
				t.numbering[ruleKey{n, r.Rule}] = r
			}
		}
	}
	return t
}

// events are the frames, drops and strikes in order of time.
func (t *tracer) events() []event {
	es := make([]event, 0, len(t.in.Frames)+len(t.in.Drops)+len(t.in.Strikes))
	for i := range t.in.Strikes {
		s := &t.in.Strikes[i]
		es = append(es, event{time: s.Time, strike: s})
	}
	for i := range t.in.Frames {
		f := &t.in.Frames[i]
		es = append(es, event{time: f.Time, frame: f})
	}
	for i := range t.in.Drops {
		d := &t.in.Drops[i]
		es = append(es, event{time: d.Time, drop: d})
	}
	slices.SortStableFunc(es, func(a, b event) int { return a.time.Compare(b.time) })
	if len(es) > 0 && t.in.Until.IsZero() {
		t.in.Until = es[len(es)-1].time
	}
	return es
}

func (t *tracer) take(e event) {
	switch {
	case e.drop != nil && e.drop.Link < len(t.ends):
		t.dropped(e.drop)
	case e.strike != nil && e.strike.Link < len(t.ends):
		t.struck(e.strike)
	case e.frame != nil && e.frame.Link < len(t.ends):
		f := e.frame
		if a, ok := decode.Solicited(*f); ok && f.Sent {
			t.solicited = append(t.solicited, solicitation{t.ends[f.Link][f.Side], f.Link, a, f.Time})
		}
		p, _ := decode.Frame(*f)
		if !f.Sent {
			t.delivered(f, p)
		} else if p != nil {
			t.sent(f, p)
		}
	}
}

func sighting(f *observe.Frame, p *observe.Packet) observe.Sighting {
	return observe.Sighting{Time: f.Time, Link: f.Link, Side: f.Side, Sent: f.Sent, Packet: p}
}

// sent takes a packet that a node gives to a link.
func (t *tracer) sent(f *observe.Frame, p *observe.Packet) {
	node, s := t.ends[f.Link][f.Side], sighting(f, p)
	c := t.forwarded(node, s)
	if c == nil {
		c = t.begin(node, s)
	} else {
		if s.Corrupted = c.damage != nil; !s.Corrupted {
			t.learn(node, c.last.Packet, p)
		}
		t.notePassed(node, c, s)
		c.move(s, -1)
	}
	k := keyOnLink(f.Link, f.Side.Other(), p)
	c.frame, c.lane = f, t.laneOf(k)
	c.lane.flying = append(c.lane.flying, c)
	c.ready = t.on(k.way()).enter(c)
}

// delivered takes a packet that a link gives to a node. p is nil where the frame
// holds none, or none any more.
func (t *tracer) delivered(f *observe.Frame, p *observe.Packet) {
	node, s := t.ends[f.Link][f.Side], sighting(f, p)
	by := t.takeMade(way{f.Link, f.Side}, f)
	x, again := crossing{}, false
	if by == nil {
		x, again = t.crossing(way{f.Link, f.Side}, f, p)
	}
	var c *replica
	switch {
	case x.copy == nil && p == nil:
		return
	case x.copy == nil: // a fault made it, or it was sent before the record begins
		c = t.begin(t.ends[f.Link][f.Side.Other()], s)
		c.travel.Made = by
		c.node, x = node, crossing{copy: c, lane: t.laneOf(keyOnLink(f.Link, f.Side, p)), frame: f, packet: p}
	default:
		d := t.spoil(x, f)
		s.Corrupted = d != nil
		if p == nil {
			s.Packet = x.packet
		}
		if c = x.copy; again {
			c = c.travel.add(s, node)
		} else {
			c.leave()
			c.move(s, node)
		}
		c.damage = d
	}
	x.lane.last = x
	t.on(way{f.Link, f.Side}).cross(x)
	if p != nil {
		at := t.keyAtNode(node, p)
		t.atNode[at] = append(t.atNode[at], c)
	}
}

// dropped takes a packet that a link took and lost.
func (t *tracer) dropped(d *netem.Drop) {
	f := &observe.Frame{Link: d.Link, Side: d.To, Data: d.Frame, Length: d.Length}
	p, _ := decode.Frame(*f)
	x, again := t.crossing(way{d.Link, d.To}, f, p)
	if x.copy == nil || again {
		return
	}
	x.copy.leave()
	x.copy.fate = t.lostOnLink(x.copy, observe.Cause(d.Cause))
	x.copy.fate.Drop.Fault = d.Fault
	if x.copy.answered {
		x.copy.fate.Drop.Answer = string(topo.TCPReset)
	}
}

// begin makes the journey of a packet that comes from no other.
func (t *tracer) begin(origin int, s observe.Sighting) *replica {
	tr := &travel{origin: origin}
	if s.Sent {
		tr.Sender = t.plan.Nodes[origin].Name
	}
	t.travels = append(t.travels, tr)
	c := tr.add(s, -1)
	t.noteAnswer(tr)
	return c
}

func (tr *travel) add(s observe.Sighting, node int) *replica {
	c := &replica{travel: tr}
	tr.copies = append(tr.copies, c)
	c.move(s, node)
	return c
}

func (c *replica) move(s observe.Sighting, node int) {
	c.travel.Sightings = append(c.travel.Sightings, s)
	c.last, c.node = s, node
}
