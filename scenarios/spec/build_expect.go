package spec

import (
	"fmt"
	"slices"
	"strings"
)

func (b *builder) expect(r *rawExpect) *Expect {
	if r == nil {
		return nil
	}
	e := &Expect{
		Line:        r.line,
		ConnectTime: expected(r.ConnectTime), AcceptTime: expected(r.AcceptTime), Elapsed: expected(r.Elapsed),
		TLSTime: expected(r.TLSTime), FirstByteTime: expected(r.FirstByteTime),
		Stalled: expected(r.Stalled), RTT: expected(r.RTT),
		TimeWait: expected(r.TimeWait), FinWait2: expected(r.FinWait2),
		Segments: b.segments(r.Segments),
		Packets:  b.packets(&r.Packets), Dropped: b.dropped(r.Dropped),
		SynTimes: b.sendTimes("syn_times", r.SynTimes), SynAckTimes: b.sendTimes("syn_ack_times", r.SynAckTimes),
		Open: r.Open.numbers(), Closed: r.Closed.numbers(), Filtered: r.Filtered.numbers(),
		Sent: b.counted("sent", r.Sent, 0, maxFlood), Arrived: b.counted("arrived", r.Arrived, 0, maxFlood), Answered: b.counted("answered", r.Answered, 0, maxFlood),
		Counters: b.counters(&r.Counters),
		Status:   b.counted("status", r.Status, 100, 599), Exit: b.counted("exit", r.Exit, 0, 255),
	}
	if r.Outcome != nil {
		e.Outcome = r.Outcome.V
	}
	if r.Error != nil {
		e.Error = r.Error.V
	}
	if r.Tolerance != nil {
		e.Tolerance = &r.Tolerance.V
	}
	for _, h := range r.Handshake {
		e.Handshake = append(e.Handshake, h.V)
	}
	e.Negotiated = b.negotiated(r.Negotiated)
	if r.ResetBy != nil {
		e.ResetBy, e.ResetByLink = b.sender("reset_by", r.ResetBy)
	}
	if r.States != nil {
		e.States = b.states(r.States)
	}
	if r.SeenFrom != nil {
		b.known("seen_from", r.SeenFrom)
		e.SeenFrom = r.SeenFrom.V
	}
	if r.TLSVersion != nil {
		e.TLSVersion = r.TLSVersion.V
	}
	if r.Resumed != nil {
		e.Resumed = &r.Resumed.V
	}
	if r.Bytes != nil {
		e.Bytes = &r.Bytes.V
	}
	if r.Throughput != nil {
		e.Throughput = &r.Throughput.V
	}
	if r.Retransmissions != nil {
		e.Retransmissions = &r.Retransmissions.V
	}
	if r.Answer != nil {
		e.Answer = &r.Answer.V
	}
	if r.Stdout != nil {
		e.Stdout = &r.Stdout.V
	}
	if r.Stderr != nil {
		e.Stderr = &r.Stderr.V
	}
	if r.Rewritten != nil {
		e.Rewritten = b.rewritten(r.Rewritten)
	}
	b.expectNames(e, r)
	e.Kernels = b.kernels(r)
	return e
}

func expected(v *bound) *Duration {
	if v == nil {
		return nil
	}
	return &v.V
}

func (b *builder) counted(key string, v *count, low, high int) *Count {
	if v == nil {
		return nil
	}
	if v.V.Value < low && v.V.Bound == About || v.V.Value > high {
		b.add(v.mark, bad("%s: %d is out of range", key, v.V.Value).want(fmt.Sprintf("%d to %d", low, high)))
	}
	return &v.V
}

func (b *builder) packets(raw *entries[count]) map[string]Count {
	if raw.line == 0 {
		return nil
	}
	counts := map[string]Count{}
	for _, e := range raw.list {
		if !slices.Contains(packetKinds, e.key) {
			c := bad("packets: %s is no kind of packet", quote(e.key)).want(strings.Join(packetKinds, ", "))
			b.add(e.at, c.near(nearest(e.key, packetKinds)))
		} else if e.value != nil {
			counts[e.key] = e.value.V
		}
	}
	return counts
}

func (b *builder) states(r *rawStates) *States {
	s := &States{}
	for _, x := range r.Client {
		s.Client = append(s.Client, x.V)
	}
	for _, x := range r.Server {
		s.Server = append(s.Server, x.V)
	}
	if s.Client == nil && s.Server == nil && !r.partial {
		b.add(r.mark, bad("states of neither end").want("{client: [...], server: [...]}, one or both"))
	}
	return s
}

// absolute notes multiples of the path's delay in a step that has no path.
func (b *builder) absolute(r *rawExpect) {
	if r == nil {
		return
	}
	for _, e := range r.Kernels.list {
		b.absolute(e.value)
	}
	b.absoluteTime("elapsed", r.Elapsed)
}

func (b *builder) absoluteTime(key string, v *bound) {
	if v == nil {
		return
	}
	for _, t := range []Term{v.V.Term, v.V.Upper} {
		if t.Unit != Nanoseconds {
			b.add(v.mark, bad("%s: an exec step has no target, so there is no %s", key, t.Unit).want("a duration such as 300ms"))
			return
		}
	}
}

func (b *builder) dropped(r *rawDropped) *Dropped {
	if r == nil {
		return nil
	}
	if r.At == nil && r.Rule == nil && r.Fault == nil && r.Cause == nil && !r.partial {
		b.add(r.mark, bad("dropped says neither where nor why").want("one of at, rule, fault, cause, such as {at: fw, rule: block-web}"))
	}
	d := &Dropped{}
	if r.Cause != nil {
		d.Cause = r.Cause.V
	}
	if r.At != nil {
		b.scene("at", d, r.At)
	}
	if r.Rule != nil {
		d.Rule = r.Rule.V
		b.ruleAt(d, r)
	}
	if r.Fault != nil {
		d.Fault = r.Fault.V
		b.faultAt(d, r)
	}
	return d
}

// scene works out whether a place is a node or a link.
func (b *builder) scene(key string, d *Dropped, p *place) {
	if p.link != nil {
		if b.knownPair(key, p.link) {
			ends := p.link.names()
			b.onLink(key, d, p.mark, ends)
		}
		return
	}
	if slices.Contains(b.names, p.text) {
		d.Node = p.text
		return
	}
	for i, r := range p.text {
		if r == '-' && slices.Contains(b.names, p.text[:i]) && slices.Contains(b.names, p.text[i+1:]) {
			b.onLink(key, d, p.mark, [2]string{p.text[:i], p.text[i+1:]})
			return
		}
	}
	if len(b.names) > 0 {
		b.add(p.mark, b.noNode(key, p.text).want(several("a link such as [a, b], or one of the nodes", b.names)))
	}
}

func (b *builder) onLink(key string, d *Dropped, at mark, ends [2]string) {
	d.Link = &ends
	if b.linked && b.sc.Topology.LinkIndex(ends[0], ends[1]) < 0 {
		b.add(at, bad("%s: no link joins %q and %q", key, ends[0], ends[1]).want(several("the neighbours of "+ends[0], b.neighbours(ends[0]))))
	}
}

// faultAt notes a fault that no link has had up to this step.
func (b *builder) faultAt(d *Dropped, r *rawDropped) {
	switch {
	case d.Node != "":
		b.add(r.Fault.mark, bad("fault: a node has none").want("at: the link whose fault it is, such as [a, b]"))
		return
	case b.lost["faults"] || b.lost["links"] || r.partial || r.At != nil && d.Link == nil:
		return
	}
	var names []string
	for _, l := range b.sc.Topology.Links {
		if d.Link != nil && l.Ends != *d.Link && l.Ends != [2]string{d.Link[1], d.Link[0]} {
			continue
		}
		if b.struck(l.Ends)[d.Fault] {
			return
		}
		names = append(names, sortedKeys(b.struck(l.Ends))...)
	}
	b.add(r.Fault.mark, bad("fault: no fault is named %q", d.Fault).want(several("the faults", names)).near(nearest(d.Fault, names)))
}

// ruleAt notes a rule that no firewall has had up to this step.
func (b *builder) ruleAt(d *Dropped, r *rawDropped) {
	switch {
	case d.Link != nil:
		b.add(r.Rule.mark, bad("rule: a link has no firewall").want("at: the node whose rule it is"))
		return
	case b.lost["firewall"] || r.partial || r.At != nil && d.Node == "":
		return
	}
	var names []string
	for _, node := range b.names {
		if d.Node != "" && d.Node != node {
			continue
		}
		if b.rules[node][d.Rule] {
			return
		}
		if b.count < maxProblems {
			names = append(names, sortedKeys(b.rules[node])...)
		}
	}
	c := bad("rule: no firewall rule is named %q", d.Rule)
	if d.Node != "" {
		c = bad("rule: %q has no firewall rule named %q", d.Node, d.Rule)
	}
	b.add(r.Rule.mark, c.want(several("the rules", names)).near(nearest(d.Rule, names)))
}
