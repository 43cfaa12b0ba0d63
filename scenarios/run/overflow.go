package run

import (
	"testbed/observe"
	"testbed/observe/journey"
	"testbed/topo"
)

// turnedAway counts what the listeners of a node have dropped: overflowed, for a
// full accept queue (ListenOverflows), and crowded, connection requests for which
// there was no place among the half-open ones, or no route back (the rest of
// ListenDrops; net/ipv4/tcp_input.c, tcp_conn_request).
type turnedAway struct{ overflowed, crowded uint64 }

func (t turnedAway) since(before turnedAway) turnedAway {
	return turnedAway{t.overflowed - before.overflowed, t.crowded - before.crowded}
}

// turnedAway is what the connection's server has dropped; nothing where it has
// none.
func (w *watch) turnedAway(c *connection) (turnedAway, error) {
	n, err := w.lab.tcpCounters(c.target)
	over := n["ListenOverflows"]
	return turnedAway{over, max(n["ListenDrops"], over) - over}, err
}

// markTurnedAway gives the segments of a handshake that a listener dropped their
// fate, at most as many as it did: SYNs that nothing answers, and the last ACK where
// the SYN-ACK is sent again after it.
func markTurnedAway(plan *topo.Plan, js []observe.Journey, server string, n turnedAway) {
	for i := range js {
		j := &js[i]
		t := j.Packet().TCP
		if t == nil || !j.Fate.Delivered || journey.Node(plan, j.Last()) != server {
			continue
		}
		syn := t.Flags&(topo.SYN|topo.ACK|topo.RST) == topo.SYN
		ack := t.Flags&(topo.SYN|topo.ACK|topo.RST|topo.FIN) == topo.ACK && t.Payload == 0
		switch dropped := syn && !synAckAfter(js, j, t.Seq+1); {
		case n.overflowed > 0 && (dropped || ack && synAckAfter(js, j, t.Seq)):
			j.Fate = observe.Fate{Drop: observe.Drop{Node: server, Cause: observe.ByFullQueue}}
			n.overflowed--
		case n.crowded > 0 && dropped:
			j.Fate = observe.Fate{Drop: observe.Drop{Node: server, Cause: observe.BySynQueue}}
			n.crowded--
		}
	}
}

// synAckAfter tells whether a SYN-ACK that acknowledges a number left after a
// packet had arrived, and before the sender's next copy of a SYN did.
func synAckAfter(js []observe.Journey, arrived *observe.Journey, ack uint32) bool {
	for i := range js {
		t := js[i].Packet().TCP
		if t == nil || !js[i].SentAt().After(arrived.Last().Time) || t.Flags&topo.SYN == 0 {
			continue
		}
		if t.Flags&topo.ACK != 0 && t.Ack == ack {
			return true
		}
		if a := arrived.Packet().TCP; t.Flags&topo.ACK == 0 && a.Flags&topo.SYN != 0 && t.Seq == a.Seq && js[i].Packet().Src == arrived.Packet().Src {
			return false
		}
	}
	return false
}
