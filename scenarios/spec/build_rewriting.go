package spec

import (
	"slices"

	"testbed/topo"
)

// rewriting fills in what the actions beside accept, drop and reject take, and
// refuses it beside others.
func (b *builder) rewriting(rule *topo.Rule, r *rawRule) {
	for _, k := range []struct {
		key   string
		there bool
		at    mark
		of    topo.Action
	}{
		{"mss", r.MSS != nil, markOf(r.MSS), topo.ClampMSS},
		{"options", len(r.Options) > 0, markOf(first(r.Options)), topo.Strip},
		{"synproxy", r.Synproxy != nil, markOf(r.Synproxy), topo.Synproxy},
	} {
		if k.there && rule.Action != k.of {
			b.add(k.at, bad("%s is not for action: %s", k.key, rule.Action).want(k.key+" with action: "+string(k.of)))
		}
	}
	switch rule.Action {
	case topo.ClampMSS:
		b.clampMSS(rule, r)
	case topo.Strip:
		b.strip(rule, r)
	case topo.Synproxy:
		b.synproxy(rule, r)
	}
	if p := rule.Match.Proto; p != "tcp" && p != "" && rule.Action != topo.BleachECN && (rule.Action.Passes() || rule.Action == topo.Synproxy) {
		b.add(r.Action.mark, bad("action: %s is for TCP, and this rule matches %s", rule.Action, p).want("match: {proto: tcp} in the rule"))
	}
}

func (b *builder) clampMSS(rule *topo.Rule, r *rawRule) {
	if r.MSS != nil {
		rule.MSS = r.MSS.V
	} else if rule.Hook == topo.Input {
		b.add(r.Action.mark, bad("clamp-mss: what comes in is on no route whose MTU could say").want("mss: 1340 in the rule; or hook: forward or output"))
	}
}

func (b *builder) strip(rule *topo.Rule, r *rawRule) {
	for _, o := range r.Options {
		if slices.Contains(rule.Options, o.V) {
			b.add(o.mark, bad("options: %s again", o.V).want("each option once"))
		}
		rule.Options = append(rule.Options, o.V)
	}
	if len(rule.Options) == 0 && !r.partial {
		b.add(r.Action.mark, bad("strip: of which options?").want("options: ["+join(topo.TCPOptions)+"], one or more"))
	}
}

func (b *builder) synproxy(rule *topo.Rule, r *rawRule) {
	p := topo.DefaultProxy
	rule.Proxy = &p
	if rule.Hook == topo.Output {
		b.add(r.Action.mark, bad("synproxy: what the node itself sends needs no proxy").want("hook: forward or input"))
	}
	if m := &rule.Match; m.Flags != 0 || m.State != "" {
		b.add(r.Match.mark, bad("synproxy: a match on flags or state, but it takes the SYNs, and the ACKs that answer it").want("proto, ports, from, to, in, out"))
	}
	for _, side := range []*ref{r.from(), r.to()} {
		if side == nil {
			continue
		}
		if n, c := parseNetwork(side.V); c == nil && n.Addr().Is6() {
			b.add(side.mark, bad("synproxy: Linux has it for IPv4 alone").want("a node's name, or a prefix of IPv4"))
		}
	}
	raw := r.Synproxy
	if raw == nil {
		return
	}
	if raw.MSS != nil {
		p.MSS = raw.MSS.V
	}
	if raw.WindowScale != nil {
		p.WindowScale = raw.WindowScale.V
	}
	if raw.Timestamps != nil {
		p.Timestamps = raw.Timestamps.V
	}
	if raw.SACKPermitted != nil {
		p.SACK = raw.SACKPermitted.V
	}
}

func (r *rawRule) from() *ref {
	if r.Match == nil {
		return nil
	}
	return r.Match.From
}

func (r *rawRule) to() *ref {
	if r.Match == nil {
		return nil
	}
	return r.Match.To
}

// markOf is where a value stands that may be absent.
func markOf[T any, P interface {
	*T
	place() mark
}](v P) mark {
	if v == nil {
		return mark{}
	}
	return v.place()
}

// first is the first of a list, or nil.
func first[T any](list []*T) *T {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}
