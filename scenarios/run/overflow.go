package run

import (
	"testbed/observe"
	"testbed/observe/journey"
	"testbed/observe/kernel"
	"testbed/topo"
)

// countOverflows is how often the accept queues of the connection's server have
// overflowed; 0 where it has none.
func (w *watch) countOverflows(c *connection) (uint64, error) {
	if c.target < 0 {
		return 0, nil
	}
	return kernel.ListenOverflows(w.lab.net.Nodes[c.target].NS)
}

// markOverflows gives the segments of a handshake that arrived at a full accept
// queue their fate, at most n: SYNs that nothing answers, and the last ACK where
// the SYN-ACK is sent again after it.
func markOverflows(plan *topo.Plan, js []observe.Journey, server string, n uint64) {
	for i := range js {
		j := &js[i]
		t := j.Packet().TCP
		if n == 0 || t == nil || !j.Fate.Delivered || journey.Node(plan, j.Last()) != server {
			continue
		}
		syn := t.Flags&(topo.SYN|topo.ACK|topo.RST) == topo.SYN
		ack := t.Flags&(topo.SYN|topo.ACK|topo.RST|topo.FIN) == topo.ACK && t.Payload == 0
		if syn && !synAckAfter(js, j, t.Seq+1) || ack && synAckAfter(js, j, t.Seq) {
			j.Fate = observe.Fate{Drop: observe.Drop{Node: server, Cause: observe.ByFullQueue}}
			n--
		}
	}
}

// synAckAfter tells whether a SYN-ACK that acknowledges a number left after a
// packet had arrived.
func synAckAfter(js []observe.Journey, arrived *observe.Journey, ack uint32) bool {
	for i := range js {
		t := js[i].Packet().TCP
		if t != nil && t.Flags&(topo.SYN|topo.ACK) == topo.SYN|topo.ACK && t.Ack == ack && js[i].SentAt().After(arrived.Last().Time) {
			return true
		}
	}
	return false
}
