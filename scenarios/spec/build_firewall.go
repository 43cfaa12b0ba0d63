package spec

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"testbed/topo"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// firewall makes a node's rules and remembers their names for the
// expectations.
func (b *builder) firewall(n *topo.Node, raw []*rawRule) (rules []topo.Rule) {
	first := map[string]int{}
	if b.rules[n.Name] == nil {
		b.rules[n.Name] = map[string]bool{}
	}
	for i, r := range raw {
		rule := b.rule(n, r)
		at := r.mark
		if r.Name != nil {
			rule.Name, at = r.Name.V, r.Name.mark
		} else {
			rule.Name = fmt.Sprintf("rule-%d", i+1)
		}
		if line, dup := first[rule.Name]; dup {
			b.add(at, bad("the rule %q again: it is already on line %d", rule.Name, line).want("a name for each rule of a node"))
		}
		first[rule.Name] = at.line
		b.rules[n.Name][rule.Name] = true
		rules = append(rules, rule)
	}
	return rules
}

func (b *builder) rule(n *topo.Node, r *rawRule) topo.Rule {
	rule := topo.Rule{Hook: topo.Input}
	if n.Role == topo.Router {
		rule.Hook = topo.Forward
	}
	if r.Hook != nil {
		rule.Hook = r.Hook.V
		if rule.Hook == topo.Forward && n.Role != topo.Router {
			b.add(r.Hook.mark, bad("hook: %q is a host, which forwards nothing", n.Name).want("input, output; or role: router"))
		}
	}
	if r.Match != nil {
		rule.Match = b.match(n, rule.Hook, r.Match)
	}
	if r.Action == nil {
		return rule
	}
	rule.Action = r.Action.V
	b.rewriting(&rule, r)
	if rule.Action == topo.Reject {
		rule.With = topo.PortUnreachable
	}
	if r.With == nil {
		return rule
	}
	rule.With = r.With.V
	if rule.Action != topo.Reject {
		b.add(r.With.mark, bad("with says how a reject answers, but this rule's action is %s", rule.Action).want("with beside action: reject"))
	} else if rule.With == topo.TCPReset && rule.Match.Proto != "tcp" && !(r.Match != nil && r.Match.partial) {
		b.add(r.With.mark, bad("a tcp-reset answers TCP only").want("match: {proto: tcp} in the rule"))
	}
	return rule
}

func (b *builder) match(n *topo.Node, hook topo.Hook, r *rawMatch) topo.Match {
	var m topo.Match
	b.transport(&m, r)
	m.From, m.To = b.endpoint("from", r.From), b.endpoint("to", r.To)
	b.oneFamily(m.From, m.To, r.To)
	if r.In != nil && b.neighbour("in", n.Name, r.In) {
		m.In = r.In.V
		if hook == topo.Output {
			b.add(r.In.mark, bad("in: what the node itself sends came by no link").want("out; or hook: forward or input"))
		}
	}
	if r.Out != nil && b.neighbour("out", n.Name, r.Out) {
		m.Out = r.Out.V
		if hook == topo.Input {
			b.add(r.Out.mark, bad("out: what the node itself receives leaves by no link").want("in; or hook: forward or output"))
		}
	}
	if r.State != nil {
		m.State = r.State.V
	}
	if r.Nth != nil {
		m.Nth = r.Nth.V
	}
	if r.Probability != nil {
		if m.Probability = r.Probability.V; m.Probability == 0 {
			b.add(r.Probability.mark, bad("probability: a rule that never matches").want("more than 0%"))
		}
	}
	if r.Rate != nil {
		m.Rate = r.Rate.V
	}
	return m
}

// transport fills in the protocol and what depends on it. Flags imply TCP.
func (b *builder) transport(m *topo.Match, r *rawMatch) {
	if r.Proto != nil {
		m.Proto = r.Proto.V
	}
	if r.Flags != nil {
		m.Flags = r.Flags.V
		if m.Proto == "" && !r.partial {
			m.Proto = "tcp"
		} else if m.Proto != "tcp" && m.Proto != "" {
			b.add(r.Flags.mark, bad("flags: %s has none", m.Proto).want("flags with proto: tcp"))
		}
	}
	for _, p := range []struct {
		key string
		raw *ports
		to  *topo.PortRange
	}{{"sport", r.Sport, &m.Sport}, {"dport", r.Dport, &m.Dport}} {
		if p.raw == nil {
			continue
		}
		*p.to = p.raw.V
		switch {
		case m.Proto == "" && !r.partial:
			b.add(p.raw.mark, bad("%s: a port of which protocol?", p.key).want("proto: tcp or proto: udp beside it"))
		case m.Proto == "icmp" || m.Proto == "icmpv6":
			b.add(p.raw.mark, bad("%s: %s has no ports", p.key, m.Proto).want("ports with proto: tcp or proto: udp"))
		}
	}
}

// oneFamily notes that no packet can be from one prefix and to the other. A node has
// addresses of both families.
func (b *builder) oneFamily(from, to string, at *ref) {
	f, err1 := netip.ParsePrefix(from)
	t, err2 := netip.ParsePrefix(to)
	if err1 == nil && err2 == nil && f.Addr().Is4() != t.Addr().Is4() {
		b.add(at.mark, bad("to: no packet from %s is to %s, which is of another family", f, t).want("prefixes of IPv4 or of IPv6 on both sides"))
	}
}

// endpoint is a node's name or a prefix.
func (b *builder) endpoint(key string, r *ref) string {
	if r == nil {
		return ""
	}
	if !looksNumeric(r.V) {
		b.known(key, r)
		return r.V
	}
	p, c := parseNetwork(r.V)
	if c != nil {
		c.message = key + ": " + c.message
		b.add(r.mark, c.want("a node's name, an address or a prefix such as 192.0.2.0/24"))
		return ""
	}
	return p.String()
}
