package spec

import (
	"fmt"
	"math"

	"testbed/netem"
	"testbed/topo"
)

// maxFaults bounds the faults of one direction of a link.
const maxFaults = 100

// faults are those of one direction, nil for none; their names are remembered for
// the expectations.
func (b *builder) faults(ends [2]string, r *rawFaults) *netem.Faults {
	if len(r.list) > maxFaults {
		b.add(r.list[maxFaults].mark, bad("more than %d faults", maxFaults).want("fewer; nth: 2..5 picks several packets"))
	}
	if len(r.list) == 0 {
		return nil
	}
	var all netem.Faults
	first := map[string]int{}
	for i, x := range r.list {
		f := b.fault(x)
		at := x.mark
		if x.Name != nil {
			f.Name, at = x.Name.V, x.Name.mark
		} else {
			f.Name = fmt.Sprintf("fault-%d", i+1)
		}
		if line, dup := first[f.Name]; dup {
			b.add(at, bad("the fault %q again: it is already on line %d", f.Name, line).want("a name for each fault of a list"))
		}
		first[f.Name] = at.line
		b.struck(ends)[f.Name] = true
		all = append(all, f)
	}
	return &all
}

// struck are the names of the faults that a link had so far.
func (b *builder) struck(ends [2]string) map[string]bool {
	if ends[0] > ends[1] {
		ends[0], ends[1] = ends[1], ends[0]
	}
	if b.faulty == nil {
		b.faulty = map[[2]string]map[string]bool{}
	}
	if b.faulty[ends] == nil {
		b.faulty[ends] = map[string]bool{}
	}
	return b.faulty[ends]
}

func (b *builder) fault(r *rawFault) (f netem.Fault) {
	if r.Match != nil {
		f.Pick = b.picked(r.Match)
	}
	if r.Do == nil {
		return f
	}
	f.Do = r.Do.V
	if r.By != nil {
		f.By = r.By.V
		if f.Do != netem.DelayPacket && f.Do != netem.DuplicatePacket {
			b.add(r.By.mark, bad("by: how much later, but this fault's do is %s", f.Do).want("by beside do: delay or do: duplicate"))
		}
	} else if f.Do == netem.DelayPacket && !r.partial {
		b.add(r.Do.mark, bad("do: delay by how much?").want("by: a duration beside it, such as by: 500ms"))
	}
	if r.To != nil {
		f.Answer = r.To.V
		if f.Do != netem.ResetConnection {
			b.add(r.To.mark, bad("to: who is answered, but this fault's do is %s", f.Do).want("to beside do: reset"))
		}
	}
	if f.Do == netem.ResetConnection && f.Pick.Proto != "tcp" && !r.partial && (r.Match == nil || !r.Match.partial) {
		b.add(r.Do.mark, bad("do: a reset answers TCP only").want("match: {proto: tcp}, or flags, beside it"))
	}
	return f
}

func (b *builder) picked(r *rawPick) (p netem.Pick) {
	var m topo.Match
	b.transport(&m, &rawMatch{mark: r.mark, Proto: r.Proto, Flags: r.Flags, Sport: r.Sport, Dport: r.Dport})
	p.Proto, p.Flags = m.Proto, uint8(m.Flags)
	p.Sport, p.Dport = portSpan(m.Sport), portSpan(m.Dport)
	if r.Payload != nil {
		p.Payload = span(r.Payload.V)
		if m.Proto != "tcp" && m.Proto != "udp" && !r.partial {
			b.add(r.Payload.mark, bad("payload: the data of which protocol?").want("proto: tcp, proto: udp or flags beside it"))
		}
	}
	if r.Nth != nil {
		p.Nth = span(r.Nth.V)
		if p.Nth.Max < 1 || p.Nth.Min == 0 && p.Nth.Max == 0 {
			b.add(r.Nth.mark, bad("nth: %s picks no packet", r.Nth.V.Text).want("a number from 1, or a bound such as 2..4 or \">= 3\""))
		}
	}
	if r.After != nil {
		p.After = r.After.V
	}
	if r.During != nil {
		p.After, p.Until = r.During.V[0], r.During.V[1]
		if r.After != nil {
			b.add(r.After.mark, bad("after beside during, which says it already").want("one of them"))
		}
	}
	return p
}

func portSpan(r topo.PortRange) netem.Range {
	return netem.Range{Limited: !r.IsZero(), Min: int(r.First), Max: int(r.Last)}
}

// span is what a count allows.
func span(c Count) netem.Range {
	r := netem.Range{Limited: true, Max: math.MaxInt32}
	switch c.Bound {
	case AtMost:
		r.Max = c.Value
	case Below:
		r.Max = c.Value - 1
	case AtLeast:
		r.Min = c.Value
	case Above:
		r.Min = c.Value + 1
	case Within:
		r.Min, r.Max = c.Value, c.Upper
	default:
		r.Min, r.Max = c.Value, c.Value
	}
	return r
}
