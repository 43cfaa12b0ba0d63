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
	show := func(name string, n uint32) string {
		if !j.Left() { // an earlier connection's are below those of this one
			return fmt.Sprintf("%s=%d", name, int32(n))
		}
		return fmt.Sprintf("%s=%d", name, n)
	}
	s := show("seq", seq)
	if p.TCP.Flags&topo.ACK != 0 {
		s += " " + show("ack", ack)
	}
	if p.TCP.Payload > 0 {
		s += fmt.Sprintf(" len=%d", p.TCP.Payload)
	}
	return s
}
