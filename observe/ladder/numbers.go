package ladder

import (
	"fmt"

	"testbed/observe"
	"testbed/observe/relative"
	"testbed/topo"
)

// numbersText writes a packet's relative numbers and its length. Packets must come
// in order of sending.
func numbersText(n *relative.Numbers, j *observe.Journey) string {
	p := j.Packet()
	switch {
	case p.TCP != nil:
	case p.UDP != nil && p.UDP.DNS != nil:
		return ""
	case p.UDP != nil:
		return fmt.Sprintf("len=%d", p.UDP.Payload)
	default:
		return ""
	}
	seq, ack := n.Of(j)
	s := fmt.Sprintf("seq=%d", seq)
	if p.TCP.Flags&topo.ACK != 0 {
		s += fmt.Sprintf(" ack=%d", ack)
	}
	if p.TCP.Payload > 0 {
		s += fmt.Sprintf(" len=%d", p.TCP.Payload)
	}
	return s
}
