package journey

import (
	"math"
	"slices"
	"time"

	"testbed/observe"
	"testbed/topo"
)

// meeting is a packet that met the forward rules of a node.
type meeting struct {
	passage
	at time.Time
	// held is nil where the packet went on.
	held *heldAt
	// may are the rules at which its way through the rules may have ended, by their
	// index, in order; beyond where no rule ended it.
	may []int
}

const beyond = math.MaxInt

// notePassed remembers a packet that went on, where rules count such packets to
// find their nth.
func (t *tracer) notePassed(node int, c *replica, out observe.Sighting) {
	if len(t.numbering) == 0 || c.last.Time.Before(t.since[node]) || !t.numbers(node) {
		return
	}
	p, e := *c.last.Packet, endpointsOf(out.Packet).dst
	p.Dst = e.Addr()
	switch {
	case p.TCP != nil:
		h := *p.TCP
		h.DstPort, p.TCP = e.Port(), &h
	case p.UDP != nil:
		h := *p.UDP
		h.DstPort, p.UDP = e.Port(), &h
	}
	pass := passage{node: node, hook: topo.Forward, in: t.neighbour(c.last), out: t.neighbour(out), packet: &p}
	t.passed[node] = append(t.passed[node], meeting{passage: pass, at: c.last.Time})
}

// forwards tells whether a rule is on the forward hook.
func (t *tracer) forwards(k ruleKey) bool {
	return slices.ContainsFunc(t.plan.Topology.Nodes[k.node].Firewall, func(r topo.Rule) bool { return r.Name == k.name && r.Hook == topo.Forward })
}

// numbers tells whether a node has a rule with an nth that forwarded packets met.
func (t *tracer) numbers(node int) bool {
	return slices.ContainsFunc(t.plan.Topology.Nodes[node].Firewall, func(r topo.Rule) bool {
		return r.Hook == topo.Forward && t.numbering[ruleKey{node, r.Name}].Met > 0
	})
}

// blame finds the rules that may have ended each packet that was not forwarded.
func (t *tracer) blame(held []*heldAt) {
	byNode, stray, before := map[int][]meeting{}, map[int][]meeting{}, map[int][]meeting{}
	for _, h := range held {
		at := h.copy.last.Time
		switch m := (meeting{passage: h.passage, at: at, held: h}); {
		case at.Before(t.since[h.node]):
			before[h.node] = append(before[h.node], m)
		case h.strays():
			stray[h.node] = append(stray[h.node], m)
		default:
			byNode[h.node] = append(byNode[h.node], m)
		}
	}
	for node, ms := range byNode {
		ms = append(ms, t.passed[node]...)
		slices.SortStableFunc(ms, func(a, b meeting) int { return a.at.Compare(b.at) })
		t.blameIn(node, ms, t.counts)
	}
	// What others leave may be theirs, if a program has changed the node's routes.
	for node, ms := range stray {
		t.blameIn(node, ms, t.counts)
	}
	for node, ms := range before {
		t.blameIn(node, ms, t.former)
	}
}

// strays tells whether the plan's routing ends a packet before the rules see it
// (net/ipv4/ip_forward.c).
func (h *heldAt) strays() bool {
	return !h.routed || h.route.Kind != topo.Unicast || h.copy.last.Packet.TTL <= 1
}

// blameIn does so in one node. What each packet leaves open is narrowed down by what
// is known of the others: how many packets each rule matched, and, where a rule is for
// one number, the order in which they came.
func (t *tracer) blameIn(node int, ms []meeting, matches map[ruleKey]uint64) {
	b := &culprits{tracer: t, node: node, matches: matches, rules: t.plan.Topology.Nodes[node].Firewall, ms: ms}
	for i := range ms {
		b.open(&ms[i])
	}
	if !b.weigh() {
		return
	}
	// Each round settles something. What is open after many of them stays so.
	for range 20 {
		if byNumber, byCount := b.byNumber(), b.byCount(); !byNumber && !byCount {
			break
		}
	}
	b.assign()
}

// culprits are the rules that may have ended the packets which were not forwarded
// by a node.
type culprits struct {
	*tracer
	node  int
	rules []topo.Rule
	// matches are those that are not used up.
	matches map[ruleKey]uint64
	ms      []meeting
	// all is true where every such packet was ended by a rule, seen where the rules
	// counted no others.
	all, seen bool
}

func (b *culprits) count(r int) uint64 { return b.matches[ruleKey{b.node, b.rules[r].Name}] }

// discards tells whether an end is that of a rule which discards.
func (b *culprits) discards(end int) bool { return end != beyond && b.rules[end].Action.Discards() }

// open finds where a packet's own headers and its answer let its way end.
func (b *culprits) open(m *meeting) {
	for i := range b.rules {
		r := &b.rules[i]
		ends := r.Action == topo.Accept || r.Action.Discards() && m.held != nil && b.count(i) > 0
		if !ends || !b.fits(r, m.passage) {
			continue
		}
		m.may = append(m.may, i)
		if closed(&r.Match) {
			b.heed(m)
			return
		}
	}
	m.may = append(m.may, beyond)
	b.heed(m)
}

// heed leaves those rules that answer as the node did. A reset is not answered with a
// reset, nor an ICMP error with one, and a node may keep its own answers back.
func (b *culprits) heed(m *meeting) {
	if m.held == nil {
		return
	}
	var told string
	if a := b.findAnswer(m.held.copy, m.packet); a != nil && a.SentAt().Before(m.at.Add(transit)) {
		told, _ = explain(a.Packet(), observe.Unknown)
	}
	mute := m.packet.ICMP != nil || m.packet.TCP != nil && m.packet.TCP.Flags&topo.RST != 0 ||
		slices.ContainsFunc(b.rules, func(r topo.Rule) bool { return r.Hook == topo.Output }) || b.inTransit(m.held.copy)
	if told == "" && mute {
		return
	}
	left := slices.DeleteFunc(slices.Clone(m.may), func(end int) bool { return b.discards(end) && answerOf(&b.rules[end]) != told })
	if slices.ContainsFunc(left, b.discards) {
		m.may = left
	}
}

// weigh compares how many packets were not forwarded with how many the rules
// discarded, and tells whether there is a packet that a rule may have ended.
func (b *culprits) weigh() bool {
	var dead, counted uint64
	named := map[int]bool{}
	for i := range b.ms {
		m := &b.ms[i]
		if m.held == nil || !slices.ContainsFunc(m.may, b.discards) {
			continue
		}
		dead++
		for _, end := range m.may {
			if b.discards(end) && !named[end] {
				named[end] = true
				counted += b.count(end)
			}
		}
	}
	b.all, b.seen = counted >= dead, counted <= dead
	for i := range b.ms {
		if m := &b.ms[i]; b.all && m.held != nil && slices.ContainsFunc(m.may, b.discards) {
			m.may = slices.DeleteFunc(m.may, func(end int) bool { return !b.discards(end) })
		}
	}
	return dead > 0
}

// byNumber narrows down which packet was the one that a rule is for by number. It
// needs to have seen all packets that the rule met. It tells whether it found something.
func (b *culprits) byNumber() (found bool) {
	for r := range b.rules {
		n, ok := b.numbering[ruleKey{b.node, b.rules[r].Name}]
		if rule := &b.rules[r]; !ok || rule.Match.Nth == 0 || rule.Hook != topo.Forward {
			continue
		}
		found = b.number(r, n) || found
	}
	return found
}

// number is byNumber for one rule.
func (b *culprits) number(r int, n observe.RuleCount) (found bool) {
	rule := &b.rules[r]
	alone := rule.Match
	alone.Nth = 0
	// Of each packet: whether the rule counted it, surely or perhaps.
	surely, perhaps := make([]uint64, len(b.ms)+1), make([]uint64, len(b.ms)+1)
	for i := range b.ms {
		m := &b.ms[i]
		surely[i+1], perhaps[i+1] = surely[i], perhaps[i]
		if len(m.may) == 0 || m.may[len(m.may)-1] < r || !b.fits(rule, m.passage) {
			continue
		}
		perhaps[i+1]++
		if closed(&alone) && m.may[0] >= r {
			surely[i+1]++
		}
	}
	least, most := surely[len(b.ms)], perhaps[len(b.ms)]
	if n.Met < least || n.Met > most {
		return false // some of them were not seen
	}
	for i := range b.ms {
		m := &b.ms[i]
		if !slices.Contains(m.may, r) || len(m.may) == 1 {
			continue
		}
		// low and high are how many it had counted when this one came.
		low := n.Before + max(surely[i], n.Met-min(n.Met, most-perhaps[i]))
		high := n.Before + min(perhaps[i], n.Met-min(n.Met, least-surely[i]))
		nth := uint64(rule.Match.Nth)
		switch counted := surely[i+1] > surely[i]; {
		case nth-1 < low || nth-1 > high:
			m.may = slices.DeleteFunc(m.may, func(end int) bool { return end == r })
			found = true
		case low == high && counted:
			m.may = []int{r}
			found = true
		}
	}
	return found
}

// byCount takes a rule off where its matches are those of other packets, and every
// other one where they are just as many as the packets that are left for it. It tells
// whether it found something.
func (b *culprits) byCount() (found bool) {
	for r := range b.rules {
		if !b.discards(r) || b.count(r) == 0 {
			continue
		}
		var sure, open []*meeting
		for i := range b.ms {
			switch m := &b.ms[i]; {
			case m.held == nil || !slices.Contains(m.may, r):
			case len(m.may) == 1:
				sure = append(sure, m)
			default:
				open = append(open, m)
			}
		}
		for _, m := range open {
			switch {
			case uint64(len(sure)) >= b.count(r):
				m.may = slices.DeleteFunc(m.may, func(end int) bool { return end == r })
				found = true
			case b.seen && uint64(len(sure)+len(open)) == b.count(r):
				m.may = []int{r}
				found = true
			}
		}
	}
	return found
}

// assign uses up the rules' matches: first for the packets of which it is known which
// rule ended them, then for the others, in order of time.
func (b *culprits) assign() {
	for _, several := range []bool{false, true} {
		for i := range b.ms {
			m := &b.ms[i]
			ends := slices.DeleteFunc(slices.Clone(m.may), func(end int) bool { return !b.discards(end) })
			if m.held == nil || len(ends) == 0 || len(ends) > 1 != several {
				continue
			}
			k := slices.IndexFunc(ends, func(end int) bool { return b.count(end) > 0 })
			if k < 0 {
				continue
			}
			b.matches[ruleKey{b.node, b.rules[ends[k]].Name}]--
			for _, end := range ends {
				m.held.rules = append(m.held.rules, &b.rules[end])
			}
		}
	}
}
