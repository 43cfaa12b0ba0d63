package report

import (
	"net/netip"
	"strconv"
	"time"

	"testbed/observe"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

// evidence is an observation sorted by what the packets were for.
type evidence struct {
	*verdict.Observation
	step     *spec.Step
	verdict  verdict.Verdict
	topology *topo.Topology
	places   places

	// client and server name the two ends; target is the server with its port.
	client, server, target string

	// In order of sending: from the client
	syns, acks, sent []*observe.Journey
	// and from the server's address, whoever sent them.
	synAcks, answers     []*observe.Journey
	resetsBack, finsBack []*observe.Journey
	// resetsThere are the client's own.
	resetsThere []*observe.Journey
	// stopped is the number of the step that stopped the target's service, 0 if none
	// did.
	stopped int
	// errors are the ICMP errors.
	errors []*observe.Journey
}

func gather(step *spec.Step, o *verdict.Observation, v verdict.Verdict, t *topo.Topology) *evidence {
	e := &evidence{Observation: o, step: step, verdict: v, topology: t}
	e.nameEnds()
	fromClient := e.direction()
	e.places = placesOf(t, o, fromClient)
	e.addEarlierEnd(fromClient)
	for i := range o.Journeys {
		j := &o.Journeys[i]
		if len(j.Sightings) == 0 || j.Packet() == nil || !j.Left() {
			continue // what was sent before the step is no part of what it did
		}
		switch p := j.Packet(); {
		case p.ICMP != nil && p.ICMP.Quoted != nil:
			e.errors = append(e.errors, j)
		case p.TCP != nil && fromClient(j):
			e.addThere(j)
		case p.TCP != nil:
			e.addBack(j)
		}
	}
	return e
}

// addEarlierEnd adds the server's RST and FINs that left before the step: they
// end its exchange all the same.
func (e *evidence) addEarlierEnd(fromClient func(*observe.Journey) bool) {
	for i := range e.Earlier {
		j := &e.Earlier[i]
		if t := j.Packet().TCP; t != nil && t.Flags&(topo.RST|topo.FIN) != 0 && !fromClient(j) {
			e.addBack(j)
		}
	}
}

func (e *evidence) addThere(j *observe.Journey) {
	t := j.Packet().TCP
	switch {
	case t.Flags&topo.SYN != 0:
		e.syns = append(e.syns, j)
	case t.Flags&topo.RST != 0:
		e.resetsThere = append(e.resetsThere, j)
	default:
		e.acks = append(e.acks, j)
	}
	if t.Payload > 0 {
		e.sent = append(e.sent, j)
	}
}

func (e *evidence) addBack(j *observe.Journey) {
	t := j.Packet().TCP
	switch {
	case t.Flags&topo.RST != 0:
		e.resetsBack = append(e.resetsBack, j)
	case t.Flags&topo.SYN != 0:
		e.synAcks = append(e.synAcks, j)
	case t.Flags&topo.FIN != 0:
		e.finsBack = append(e.finsBack, j)
	}
	if t.Payload > 0 {
		e.answers = append(e.answers, j)
	}
}

func (e *evidence) nameEnds() {
	e.client, e.server = inline(e.From, maxField), inline(e.Target, maxField)
	if e.client == "" {
		e.client = "the client"
	}
	port, host := e.Remote.Port(), e.server
	switch {
	case host == "" && e.Remote.IsValid():
		host = e.Remote.Addr().String()
	case host == "":
		host = "the server"
	}
	if t := e.aim(); t != nil && t.Port != 0 {
		port = t.Port
	}
	e.server, e.target = host, host
	if port != 0 {
		e.target = joinPort(host, port)
	}
}

// joinPort puts IPv6 addresses in brackets.
func joinPort(host string, port uint16) string {
	if a, err := netip.ParseAddr(host); err == nil {
		return netip.AddrPortFrom(a, port).String()
	}
	return host + ":" + strconv.Itoa(int(port))
}

// aim is what the step was told to reach, nil for steps on open connections.
func (e *evidence) aim() *spec.Target {
	switch {
	case e.step == nil:
		return nil
	case e.step.Connect != nil:
		return &e.step.Connect.Target
	case e.step.HTTP != nil:
		return &e.step.HTTP.Target
	}
	return nil
}

// direction tells packets of the client from those of the server, as their
// senders sent them: by the client's own end, else by the first SYN.
func (e *evidence) direction() func(*observe.Journey) bool {
	local := e.Local
	if local.Port() == 0 || local.Addr().IsUnspecified() {
		local = netip.AddrPort{}
	}
	for i := 0; !local.IsValid() && i < len(e.Journeys); i++ {
		j := &e.Journeys[i]
		if len(j.Sightings) > 0 && isFlags(j, topo.SYN) {
			local = netip.AddrPortFrom(j.Packet().Src, j.Packet().TCP.SrcPort)
		}
	}
	return func(j *observe.Journey) bool {
		p := j.Packet()
		if p == nil || p.TCP == nil {
			return false
		}
		if !local.IsValid() {
			return p.TCP.DstPort == e.Remote.Port()
		}
		return p.Src.Unmap() == local.Addr().Unmap() && p.TCP.SrcPort == local.Port()
	}
}

// localRule is a firewall rule in the client itself that discarded something
// during the step, nil if there is none.
func (e *evidence) localRule() *observe.RuleCount {
	return e.ruleAt(func(n string) bool { return n == e.From })
}

// ruleAt is the discarding rule that matched most, at a node of that kind.
func (e *evidence) ruleAt(node func(string) bool) *observe.RuleCount {
	var best *observe.RuleCount
	for i := range e.Rules {
		r := &e.Rules[i]
		if !r.Action.Discards() || r.Packets == 0 || !node(r.Node) {
			continue
		}
		if best == nil || r.Packets > best.Packets {
			best = r
		}
	}
	return best
}

// node is the node's description where the topology is known.
func (e *evidence) node(name string) *topo.Node {
	if e.topology == nil {
		return nil
	}
	if i := e.topology.NodeIndex(name); i >= 0 {
		return &e.topology.Nodes[i]
	}
	return nil
}

// arrival is when a packet arrived at its destination, the first time if a link
// duplicated it.
func arrival(j *observe.Journey) (time.Time, bool) {
	last := j.Last()
	if !j.Fate.Delivered || last.Sent {
		return time.Time{}, false
	}
	for i := range j.Sightings {
		if s := &j.Sightings[i]; !s.Sent && !s.Corrupted && s.Link == last.Link && s.Side == last.Side {
			return s.Time, true
		}
	}
	return last.Time, true
}

func delivered(js []*observe.Journey) (out []*observe.Journey) {
	for _, j := range js {
		if j.Fate.Delivered {
			out = append(out, j)
		}
	}
	return out
}

func entered(changes []observe.StateChange, s observe.State) bool {
	for _, c := range changes {
		if c.State == s {
			return true
		}
	}
	return false
}
