package journey

import (
	"slices"
	"time"

	"testbed/observe"
	"testbed/topo"
)

// States derives the TCP states of both ends of a connection from its journeys,
// as Flow returns them, by RFC 9293, figure 5. A state begins when the segment
// that leads to it leaves the end's interface or is delivered to it. The server
// is the node that the client's segments are delivered to; it is in SYN-RECEIVED
// once its SYN-ACK leaves. Failed is when the client gave up, which ends its
// states with CLOSED; the zero value says that it did not.
func States(p *topo.Plan, js []observe.Journey, c Connection, failed time.Time) (client, server []observe.StateChange) {
	there, back := endpoints{c.Local, c.Remote}, endpoints{c.Remote, c.Local}
	var a, b end
	for _, s := range segments(p, js, c) {
		switch {
		case s.node == c.Client && s.sent && s.ends == there:
			a.sends(s.at, s.tcp, false)
		case s.node == c.Client && !s.sent && s.ends == back:
			a.receives(s.at, s.tcp)
		case s.server && s.sent:
			b.sends(s.at, s.tcp, true)
		case s.server:
			b.receives(s.at, s.tcp)
		}
	}
	if !failed.IsZero() && a.state != observe.Closed {
		a.enter(failed, observe.Closed)
	}
	return a.changes, b.changes
}

// segment is a segment that leaves an end or reaches it.
type segment struct {
	at   time.Time
	node string
	// server is true at the server.
	server, sent bool
	ends         endpoints
	tcp          *observe.TCP
}

// segments are those that leave an end or reach it, in order of time.
func segments(p *topo.Plan, js []observe.Journey, c Connection) (ss []segment) {
	server, whole := serverOf(p, js, c), begins(js, c)
	for i := range js {
		j := &js[i]
		if j.Packet().TCP == nil || whole && !j.Left() {
			continue // of an earlier connection, if it was sent before this one began
		}
		add := func(s *observe.Sighting) {
			n := Node(p, s)
			ss = append(ss, segment{s.Time, n, n == server && n != c.Client, s.Sent, endpointsOf(s.Packet), s.Packet.TCP})
		}
		if first := &j.Sightings[0]; first.Sent {
			add(first)
		}
		if arrived := arrival(p, j); arrived != nil {
			add(arrived)
		}
	}
	slices.SortStableFunc(ss, func(a, b segment) int { return a.at.Compare(b.at) })
	return ss
}

// begins tells whether the client's SYN is among the journeys.
func begins(js []observe.Journey, c Connection) bool {
	return slices.ContainsFunc(js, func(j observe.Journey) bool {
		h := j.Packet().TCP
		return h != nil && h.Flags&(topo.SYN|topo.ACK) == topo.SYN && j.Sender == c.Client
	})
}

// arrival is when a packet first reached the node where its journey ended, nil
// if it was not delivered.
func arrival(p *topo.Plan, j *observe.Journey) *observe.Sighting {
	if !j.Fate.Delivered {
		return nil
	}
	last := -1
	for i := range j.Sightings {
		if s := &j.Sightings[i]; !s.Sent && !s.Corrupted {
			last = i
		}
	}
	if last < 0 {
		return nil
	}
	node := Node(p, &j.Sightings[last])
	i := slices.IndexFunc(j.Sightings, func(s observe.Sighting) bool { return !s.Sent && !s.Corrupted && Node(p, &s) == node })
	return &j.Sightings[i]
}

// serverOf is the node that the client's segments reach, or the SYNs that a synproxy
// sends in its name; empty if none did.
func serverOf(p *topo.Plan, js []observe.Journey, c Connection) string {
	for i := range js {
		j := &js[i]
		s, t := &j.Sightings[0], j.Packet().TCP
		if t == nil || !s.Sent || Node(p, s) != c.Client && t.Flags&(topo.SYN|topo.ACK) != topo.SYN {
			continue
		}
		if a := arrival(p, j); a != nil && j.Fate.Taken == (observe.Taken{}) {
			return Node(p, a)
		}
	}
	return ""
}

// end is one end of a connection.
type end struct {
	state   observe.State
	changes []observe.StateChange
	// began is true once a SYN was seen: without one the record begins later, in
	// a connection that is established.
	began bool
	// synced is true once the other's sequence numbers are known; next is the
	// first that is awaited, early are ranges beyond it.
	synced bool
	next   uint32
	early  [][2]uint32
	// isn is the own initial number and finEnd the one after the own FIN.
	isn, finEnd     uint32
	finSent         bool
	peerFin         uint32 // the number after the other's FIN
	peerFinSeen     bool
	peerFinReceived bool
}

func (e *end) enter(at time.Time, s observe.State) {
	e.state = s
	e.changes = append(e.changes, observe.StateChange{Time: at, State: s})
}

// open tells whether there is a connection that may end.
func (e *end) open() bool {
	return e.state != observe.Closed && (e.state != "" || !e.began)
}

// sends follows a segment that the end sends.
func (e *end) sends(at time.Time, h *observe.TCP, passive bool) {
	switch {
	case h.Flags&topo.RST != 0:
		// In SYN-SENT it answers what acknowledges no SYN of this end, and ends nothing
		// here (RFC 9293, section 3.10.7.3).
		if e.open() && e.state != observe.SynSent {
			e.enter(at, observe.Closed)
		}
	case h.Flags&topo.SYN != 0:
		if passive && e.state == observe.Closed && h.Seq != e.isn {
			*e = end{changes: e.changes} // it has listened on
		}
		e.began = true
		if e.state != "" {
			return
		}
		e.isn = h.Seq
		if h.Flags&topo.ACK == 0 {
			e.enter(at, observe.SynSent)
		} else if passive {
			e.enter(at, observe.SynReceived)
		}
	case h.Flags&topo.FIN != 0 && !e.finSent && e.open():
		e.finSent, e.finEnd = true, h.Seq+segmentLength(h)
		switch e.state {
		case observe.Established, observe.SynReceived, "":
			e.enter(at, observe.FinWait1)
		case observe.CloseWait:
			e.enter(at, observe.LastAck)
		}
	}
}

// receives follows a segment that is delivered to the end.
func (e *end) receives(at time.Time, h *observe.TCP) {
	e.began = e.began || h.Flags&topo.SYN != 0
	if e.state == observe.Closed {
		return
	}
	if h.Flags&topo.RST != 0 {
		if e.open() {
			e.enter(at, observe.Closed)
		}
		return
	}
	e.assemble(h)
	if h.Flags&(topo.SYN|topo.ACK) == topo.SYN && e.state == observe.SynSent {
		e.enter(at, observe.SynReceived) // a simultaneous open: RFC 9293, figure 7
	}
	if h.Flags&topo.ACK != 0 {
		e.acknowledged(at, h)
	}
	if e.peerFinSeen && !e.peerFinReceived && e.open() && int32(e.next-e.peerFin) >= 0 {
		e.peerFinReceived = true
		e.finished(at)
	}
}

// acknowledged follows the acknowledgement number of a segment.
func (e *end) acknowledged(at time.Time, h *observe.TCP) {
	switch e.state {
	case observe.SynSent:
		if h.Flags&topo.SYN != 0 && h.Ack == e.isn+1 {
			e.enter(at, observe.Established)
		}
		return
	case observe.SynReceived:
		active := e.changes[0].State == observe.SynSent
		if (active || h.Flags&topo.SYN == 0) && int32(h.Ack-e.isn) > 0 {
			e.enter(at, observe.Established)
		}
	}
	if !e.finSent || int32(h.Ack-e.finEnd) < 0 {
		return
	}
	switch e.state {
	case observe.FinWait1:
		if e.peerFinSeen && int32(e.next-e.peerFin) >= 0 && !e.peerFinReceived {
			e.peerFinReceived = true // FIN and the ACK of the own one in a segment
			e.enter(at, observe.TimeWait)
			return
		}
		e.enter(at, observe.FinWait2)
	case observe.Closing:
		e.enter(at, observe.TimeWait)
	case observe.LastAck:
		e.enter(at, observe.Closed)
	}
}

// finished follows the other's FIN, once everything before it is there.
func (e *end) finished(at time.Time) {
	switch e.state {
	case observe.Established, observe.SynReceived, "":
		e.enter(at, observe.CloseWait)
	case observe.FinWait1:
		e.enter(at, observe.Closing)
	case observe.FinWait2:
		e.enter(at, observe.TimeWait)
	}
}

// assemble notes the sequence range of a segment.
func (e *end) assemble(h *observe.TCP) {
	if !e.synced {
		e.synced, e.next = true, h.Seq
	}
	n := segmentLength(h)
	if n == 0 {
		return
	}
	if h.Flags&topo.FIN != 0 {
		e.peerFinSeen, e.peerFin = true, h.Seq+n
	}
	e.early = append(e.early, [2]uint32{h.Seq, h.Seq + n})
	for moved := true; moved; {
		moved = false
		e.early = slices.DeleteFunc(e.early, func(r [2]uint32) bool {
			if int32(r[0]-e.next) > 0 {
				return false
			}
			if int32(r[1]-e.next) > 0 {
				e.next, moved = r[1], true
			}
			return true
		})
	}
}
