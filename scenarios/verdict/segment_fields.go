package verdict

import (
	"fmt"
	"net/netip"

	"testbed/observe"
	"testbed/scenarios/spec"
	"testbed/topo"
)

// differences collects what of a segment is not as expected.
type differences []string

// differs lists what of a segment is not as expected, each as "WHAT, observed WHAT".
func differs(want *spec.Segment, got *numbered) differences {
	var d differences
	t := got.tcp()
	if want.Flags != "" && !sameFlags(want.Flags, t.Flags.String()) {
		d.add("", want.Flags, t.Flags.String())
	}
	d.sender(want, got.Journey)
	d.count("seq", want.Seq, int(got.seq), true)
	d.count("ack", want.Ack, int(got.ack), t.Flags&topo.ACK != 0)
	d.count("len", want.Payload, t.Payload, true)
	d.count("win", want.Window, int(t.Window), true)
	d.address("saddr", want.Saddr, got.Packet().Src)
	d.address("daddr", want.Daddr, got.Packet().Dst)
	d.port("sport", want.Sport, t.SrcPort)
	d.port("dport", want.Dport, t.DstPort)
	d.truth("ece", want.ECE, t.ECE)
	d.truth("cwr", want.CWR, t.CWR)
	if want.ECN != nil && *want.ECN != got.Packet().ECN {
		d.add("ecn=", orNone(string(*want.ECN), "not-ect"), orNone(string(got.Packet().ECN), "not-ect"))
	}
	if want.Options != nil {
		d.options(want.Options, t)
	}
	return d
}

// add notes a value that is another.
func (d *differences) add(name, want, got string) {
	*d = append(*d, fmt.Sprintf("%s%s, observed %s%s", name, want, name, got))
}

func (d *differences) sender(want *spec.Segment, got *observe.Journey) {
	switch link := want.Link; {
	case want.From != "" && want.From != got.Sender:
		d.add("from ", want.From, senderOf(got))
	case link == nil:
	case got.Made == nil || !joins(*link, got.Made.Link):
		d.add("from ", link[0]+" – "+link[1], senderOf(got))
	}
}

// senderOf is the node that sent a packet, or the link that made it.
func senderOf(j *observe.Journey) string {
	if j.Made != nil {
		return j.Made.Link[0] + " – " + j.Made.Link[1]
	}
	return orNone(j.Sender, "nobody")
}

// joins tells whether two pairs of nodes are those of one link.
func joins(a, b [2]string) bool { return a == b || a == [2]string{b[1], b[0]} }

// count notes a number that is out of bounds, or not there.
func (d *differences) count(name string, want *spec.Count, got int, there bool) {
	switch {
	case want == nil:
	case !there:
		d.add(name+" ", countText(*want), "none")
	case !within(*want, got):
		d.add(name+" ", countText(*want), fmt.Sprint(got))
	}
}

func (d *differences) address(name string, want, got netip.Addr) {
	if want.IsValid() && want != got {
		d.add(name+" ", want.String(), got.String())
	}
}

func (d *differences) port(name string, want topo.PortRange, got uint16) {
	if want.IsZero() || want.First <= got && got <= want.Last {
		return
	}
	d.add(name+" ", fmt.Sprintf("%d-%d", want.First, want.Last), fmt.Sprint(got))
}

func (d *differences) truth(name string, want *bool, got bool) {
	if want != nil && *want != got {
		d.add(name+"=", fmt.Sprint(*want), fmt.Sprint(got))
	}
}

func (d *differences) options(want *spec.Options, t *observe.TCP) {
	d.optional("mss", want.MSS, int(t.Options.MSS), t.Options.MSS != 0)
	d.optional("wscale", want.WScale, int(t.Options.WindowScale), t.Options.HasWindowScale)
	d.truth("sack", want.SACK, t.Options.SACKPermitted)
	d.truth("timestamps", want.Timestamps, t.HasTS)
	if want.FastOpen != nil && *want.FastOpen != t.Options.FastOpen {
		d.add("fast_open=", orNone(string(*want.FastOpen), "none"), orNone(string(t.Options.FastOpen), "none"))
	}
}

// optional notes an option whose value is out of bounds, or that is there and
// should not be, or the other way round.
func (d *differences) optional(name string, want *spec.Optional, got int, there bool) {
	switch {
	case want == nil:
	case !want.None:
		d.count(name, &want.Count, got, there)
	case there:
		d.add(name+" ", "none", fmt.Sprint(got))
	}
}

func orNone(s, none string) string {
	if s == "" {
		return none
	}
	return s
}
