package journey

import (
	"testbed/observe"
	"testbed/topo"
)

// stream is one direction of a TCP connection, at its sender.
type stream struct {
	origin int
	endpoints
}

// progress is how far a stream has been sent.
type progress struct {
	first, end uint32
	// sender is who sent each range, by its first number and its length.
	sender map[[2]uint32]*travel
}

// markRetransmissions compares the sequence range of each segment with those
// that its sender sent before. A SYN with another number begins a new
// connection. What was sent before the record begins counts for nothing: it may be an
// earlier connection's.
func (t *tracer) markRetransmissions() {
	streams := map[stream]*progress{}
	for _, tr := range t.travels {
		p := tr.Packet()
		h := p.TCP
		if h == nil || !tr.Left() {
			continue
		}
		n := segmentLength(h)
		if n == 0 {
			continue
		}
		k := stream{tr.origin, endpointsOf(p)}
		st := streams[k]
		if st == nil || h.Flags&topo.SYN != 0 && h.Seq != st.first {
			st = &progress{first: h.Seq, end: h.Seq, sender: map[[2]uint32]*travel{}}
			streams[k] = st
		}
		end := h.Seq + n
		r := [2]uint32{h.Seq, n}
		if int32(end-st.end) <= 0 && !answersSYN(st.sender[r], h) {
			tr.Retransmission = true
		} else {
			st.end = end
		}
		if before := st.sender[r]; before != nil && !answersSYN(before, h) {
			before.resent = true
		}
		st.sender[r] = tr
	}
}

// answersSYN tells whether a segment is a SYN-ACK whose sender has sent the same SYN
// without ACK before, in a simultaneous open (RFC 9293, figure 7).
func answersSYN(before *travel, h *observe.TCP) bool {
	const both = topo.SYN | topo.ACK
	return before != nil && h.Flags&both == both && before.Packet().TCP.Flags&both == topo.SYN
}

// segmentLength is how much of the sequence space a segment takes (SEG.LEN in
// RFC 9293, section 3.4).
func segmentLength(h *observe.TCP) uint32 {
	n := uint32(h.Payload)
	if h.Flags&topo.SYN != 0 {
		n++
	}
	if h.Flags&topo.FIN != 0 {
		n++
	}
	return n
}
