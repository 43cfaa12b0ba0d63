package report

import (
	"fmt"
	"strings"

	"testbed/netem"
	"testbed/observe"
)

// maxStrikes bounds how many packets a paragraph names that faults befell.
const maxStrikes = 4

// struck tells which packets faults of links delayed or duplicated. What they lost,
// corrupted or made, the story tells.
func (e *evidence) struck() string {
	var said []string
	for i := range e.Journeys {
		for _, s := range e.Journeys[i].Strikes {
			how := ""
			switch {
			case s.Do == netem.DelayPacket:
				how = "held back %s by " + short(s.By)
			case s.Do == netem.DuplicatePacket && s.By > 0:
				how = "sent %s once more, " + short(s.By) + " later"
			case s.Do == netem.DuplicatePacket:
				how = "sent %s twice"
			default:
				continue
			}
			if len(said) == maxStrikes {
				return strings.Join(append(said, "Faults befell more packets."), " ")
			}
			said = append(said, fmt.Sprintf("Fault %s of the link from %s to %s "+how+".",
				inline(s.Fault, maxField), inline(s.Link[0], maxField), inline(s.Link[1], maxField), packetNoun(e.Journeys[i].Packet())))
		}
	}
	return strings.Join(said, " ")
}

// packetNoun is what a packet is: "the SYN", "a segment with 5 bytes of data".
func packetNoun(p *observe.Packet) string {
	switch {
	case p.TCP != nil && p.TCP.Payload > 0:
		return "a segment with " + count(p.TCP.Payload, "byte") + " of data"
	case p.TCP != nil && p.TCP.Flags.String() != "":
		return "the " + p.TCP.Flags.String()
	case p.ICMP != nil:
		return "the " + icmpName(p)
	}
	return "a packet"
}
