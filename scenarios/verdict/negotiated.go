package verdict

import (
	"fmt"
	"net/netip"
	"strings"

	"testbed/observe"
	"testbed/scenarios/spec"
	"testbed/topo"
)

// Negotiation is how the ends of a connection agreed that it works: by the SYN and
// the SYN-ACK as they arrived, so that what a node on the way changed counts.
type Negotiation struct {
	// MSS is the smaller of the two that were announced.
	MSS int
	// WScale, SACK and Timestamps tell whether both ends offered these options.
	WScale, SACK, Timestamps bool
	// ECN tells whether the client asked for it and the server agreed (RFC 3168,
	// section 6.1.1).
	ECN bool
}

// NegotiationOf works out what a connection's ends agreed on, nil where no SYN-ACK
// arrived.
func NegotiationOf(o *Observation) *Negotiation {
	client := (&judge{o: o}).client()
	var syn, answer *observe.Packet
	for _, journeys := range [][]observe.Journey{o.Earlier, o.Journeys} {
		for i := range journeys {
			p := journeys[i].Packet()
			arrived := journeys[i].Fate.Delivered && p.TCP != nil && p.TCP.Flags&topo.SYN != 0 && journeys[i].Left()
			if !arrived || answer != nil {
				continue
			}
			if netip.AddrPortFrom(p.Src, p.TCP.SrcPort) == client {
				syn = journeys[i].Last().Packet
			} else if syn != nil {
				answer = journeys[i].Last().Packet
			}
		}
	}
	if answer == nil {
		return nil
	}
	a, b := syn.TCP, answer.TCP
	return &Negotiation{
		MSS:        min(announced(syn), announced(answer)),
		WScale:     a.Options.HasWindowScale && b.Options.HasWindowScale,
		SACK:       a.Options.SACKPermitted && b.Options.SACKPermitted,
		Timestamps: a.HasTS && b.HasTS,
		ECN:        a.ECE && a.CWR && b.ECE && !b.CWR,
	}
}

// announced is the MSS option of a SYN, or what stands for a missing one (RFC 9293,
// section 3.7.1).
func announced(p *observe.Packet) int {
	switch {
	case p.TCP.Options.MSS != 0:
		return int(p.TCP.Options.MSS)
	case p.Src.Is4():
		return 536
	}
	return 1220
}

// negotiated compares what the ends agreed on.
func (j *judge) negotiated(want *spec.Negotiated) Check {
	c := Check{Key: "negotiated"}
	got := NegotiationOf(j.o)
	var expected, observed, wrong []string
	add := func(name, want, have string, ok bool) {
		expected, observed = append(expected, name+" "+want), append(observed, name+" "+have)
		if !ok {
			wrong = append(wrong, fmt.Sprintf("expected %s %s, observed %s", name, want, have))
		}
	}
	n := got
	if n == nil {
		n = &Negotiation{}
	}
	if want.MSS != nil {
		add("mss", countText(*want.MSS), fmt.Sprint(n.MSS), within(*want.MSS, n.MSS))
	}
	for _, x := range []struct {
		name string
		want *bool
		have bool
	}{{"wscale", want.WScale, n.WScale}, {"sack", want.SACK, n.SACK}, {"timestamps", want.Timestamps, n.Timestamps}, {"ecn", want.ECN, n.ECN}} {
		if x.want != nil {
			add(x.name, fmt.Sprint(*x.want), fmt.Sprint(x.have), *x.want == x.have)
		}
	}
	c.Expected, c.Observed, c.OK = strings.Join(expected, ", "), strings.Join(observed, ", "), len(wrong) == 0
	c.Note = strings.Join(wrong, "; ")
	switch {
	case got == nil:
		c.OK, c.Observed, c.Note = false, "nothing", j.withUnseen(j.ended("no SYN-ACK arrived"))
	case !c.OK:
		c.Note = j.withUnseen(c.Note)
	}
	return c
}
