package nft

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"testbed/topo"
)

// maxName is the longest comment of a rule, in bytes (libnftnl,
// NFTNL_UDATA_COMMENT_MAXLEN, with its terminator).
const maxName = 127

// hooks are a firewall's, in the order of their chains.
var hooks = []topo.Hook{topo.Forward, topo.Input, topo.Output}

var hookNumbers = map[topo.Hook]*nftables.ChainHook{
	topo.Forward: nftables.ChainHookForward,
	topo.Input:   nftables.ChainHookInput,
	topo.Output:  nftables.ChainHookOutput,
}

// compiler gathers a ruleset.
type compiler struct {
	names Names
	out   *Ruleset
	sets  uint32
}

// Compile works out a node's firewall and NAT. It is pure. The error joins one
// for each rule that contradicts itself or names what names does not have.
//
// A hook that no rule uses gets no chain; a node without rules and NAT has an
// empty ruleset.
func Compile(node *topo.Node, names Names) (*Ruleset, error) {
	c := &compiler{names: names, out: &Ruleset{}}
	errs := []error{checkNames(node.Firewall)}
	c.limitFlows(node.Flows)
	chains := map[topo.Hook][]*chain{}
	for i := range node.Firewall {
		r := &node.Firewall[i]
		hook := hookOf(r, node.Role)
		if _, ok := hookNumbers[hook]; !ok {
			errs = append(errs, fmt.Errorf("firewall rule %q: hook %q is none of forward, input, output", r.Name, hook))
			continue
		}
		if chains[hook] == nil {
			chains[hook] = []*chain{filterChain(string(hook), hook, 0)}
		}
		more, err := c.rule(chains[hook][0], r, hook, fmt.Sprintf("rule-%d", i+1))
		if err != nil {
			errs = append(errs, fmt.Errorf("firewall rule %q: %w", r.Name, err))
		}
		chains[hook] = append(chains[hook], more...)
	}
	for _, hook := range hooks {
		c.out.chains = append(c.out.chains, chains[hook]...)
	}
	if node.NAT != nil {
		errs = append(errs, c.nat(node.NAT))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("node %s: %w", node.Name, err)
	}
	return c.out, nil
}

// hookOf is the rule's hook: a router's firewall is about what it forwards, a
// host's about what it receives, unless the rule says otherwise.
func hookOf(r *topo.Rule, role topo.Role) topo.Hook {
	switch {
	case r.Hook != "":
		return r.Hook
	case role == topo.Router:
		return topo.Forward
	}
	return topo.Input
}

// checkNames wants names that can be read back: unique, and valid in nft's text.
func checkNames(rules []topo.Rule) error {
	var errs []error
	seen := map[string]bool{}
	for i, r := range rules {
		bad := func(c rune) bool { return c == '"' || c < ' ' || c == 0x7f }
		switch {
		case r.Name == "":
			errs = append(errs, fmt.Errorf("firewall rule %d: no name", i+1))
		case len(r.Name) > maxName:
			errs = append(errs, fmt.Errorf("firewall rule %q: name longer than %d bytes", r.Name, maxName))
		case strings.ContainsFunc(r.Name, bad):
			errs = append(errs, fmt.Errorf("firewall rule %q: quotes and control characters can't be in a name", r.Name))
		case strings.HasPrefix(r.Name, reserved), r.Name == TableFull:
			errs = append(errs, fmt.Errorf("firewall rule %q: names that begin with %s are the NAT's own, and %s is conntrack's", r.Name, reserved, TableFull))
		case seen[r.Name]:
			errs = append(errs, fmt.Errorf("firewall rule %q: another rule has that name", r.Name))
		}
		seen[r.Name] = true
	}
	return errors.Join(errs...)
}

// filterChain is a base chain at priority filter plus later. A chain named
// forward begins
//
//	type filter hook forward priority filter; policy accept;
func filterChain(name string, hook topo.Hook, later nftables.ChainPriority) *chain {
	b := &base{
		kind: nftables.ChainTypeFilter, hook: hookNumbers[hook], hookName: string(hook),
		priority: nftables.ChainPriorityRef(later), priorityName: "filter",
	}
	if later != 0 {
		b.priorityName = fmt.Sprintf("filter + %d", later)
	}
	return &chain{name: name, base: b}
}

// rule adds a user's rule to its chain. Where addresses of both families meet
// it, it becomes a chain of its own that is jumped to from each, so that there is
// one counter, one nth and one rate for both:
//
//	chain forward {
//		ip saddr 198.18.0.1 jump rule-1
//		ip6 saddr 2001:db8::1 jump rule-1
//	}
//	chain rule-1 {
//		tcp dport 80 counter drop comment "block-web"
//	}
func (c *compiler) rule(in *chain, r *topo.Rule, hook topo.Hook, ownChain string) ([]*chain, error) {
	if r.With != "" && r.Action != topo.Reject {
		return nil, fmt.Errorf("with %s: only reject answers", r.With)
	}
	where, err1 := c.interfaces(r, hook)
	alternatives, err2 := c.addresses(&r.Match)
	what, err3 := c.transport(r)
	last, err4 := counting(&r.Match)
	do, chains, err5 := c.action(r, hook, ownChain)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return nil, err
	}
	if r.Action == topo.Synproxy {
		if alternatives, err1 = c.proxied(r, where); err1 != nil {
			return nil, err1
		}
	}
	return append(c.spread(in, where, alternatives, rule{
		name: r.Name, parts: slices.Concat(what, last, do),
	}, r.Action, ownChain), chains...), nil
}

// ofTCP tells whether what a rule does is for TCP alone.
func ofTCP(r *topo.Rule) bool {
	switch r.Action {
	case topo.Reject:
		return r.With == topo.TCPReset
	case topo.ClampMSS, topo.Strip, topo.Synproxy:
		return true
	}
	return false
}

// spread adds one counted rule to a chain, behind alternatives.
func (c *compiler) spread(in *chain, where []statement, alternatives [][]statement, r rule, does topo.Action, ownChain string) []*chain {
	c.out.counted = append(c.out.counted, Count{Rule: r.name, Action: does})
	if len(alternatives) == 1 {
		r.parts = slices.Concat(where, alternatives[0], r.parts)
		in.rules = append(in.rules, r)
		return nil
	}
	for _, a := range alternatives {
		in.rules = append(in.rules, rule{parts: slices.Concat(where, a, []statement{jump(ownChain)})})
	}
	return []*chain{{name: ownChain, rules: []rule{r}}}
}

// counter is `counter`.
func counter() statement {
	return statement{text: "counter", exprs: []expr.Any{&expr.Counter{}}}
}

// rejects are the answers of a rejecting rule. The kernel turns an icmpx code
// into that of ICMP or ICMPv6 (nft(8), REJECT STATEMENT; net/netfilter/nft_reject.c).
var rejects = map[topo.RejectWith]struct {
	text  string
	reply expr.Reject
}{
	topo.TCPReset:        {"tcp reset", expr.Reject{Type: unix.NFT_REJECT_TCP_RST}},
	topo.PortUnreachable: {"icmpx port-unreachable", expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_PORT_UNREACH}},
	topo.HostUnreachable: {"icmpx host-unreachable", expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_HOST_UNREACH}},
	topo.NetUnreachable:  {"icmpx no-route", expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_NO_ROUTE}},
	topo.AdminProhibited: {"icmpx admin-prohibited", expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED}},
}

// action counts what a rule matches and does with it what the rule says, with the
// chains that it takes.
func (c *compiler) action(r *topo.Rule, hook topo.Hook, ownChain string) ([]statement, []*chain, error) {
	count := []statement{counter()}
	switch r.Action {
	case topo.Accept:
		return append(count, statement{text: "accept", exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}}), nil, nil
	case topo.DropPacket:
		return append(count, drop()), nil, nil
	case topo.Reject:
		with, err := reject(r.With)
		return append(count, with), nil, err
	case topo.ClampMSS:
		if hook == topo.Input && r.MSS == 0 {
			return nil, nil, errors.New("clamp-mss: what comes in is on no route, so it needs an mss")
		}
		return append(count, clampMSS(r.MSS)), nil, nil
	case topo.Strip:
		parts, chains, err := strip(r, ownChain)
		return append(count, parts...), chains, err
	case topo.BleachECN:
		parts, chains := bleachECN(ownChain)
		return append(count, parts...), chains, nil
	case topo.Synproxy:
		if r.Proxy == nil || hook == topo.Output {
			return nil, nil, errors.New("synproxy: no options, or at hook output")
		}
		return []statement{unknown(), counter(), proxy(r.Proxy)}, nil, nil
	}
	return nil, nil, fmt.Errorf("action %q is none of accept, drop, reject, clamp-mss, strip, bleach-ecn, synproxy", r.Action)
}

// reject is `reject with tcp reset`.
func reject(with topo.RejectWith) (statement, error) {
	if with == "" {
		with = topo.PortUnreachable
	}
	r, ok := rejects[with]
	if !ok {
		return statement{}, fmt.Errorf("reject with %q: no such answer", with)
	}
	return statement{text: "reject with " + r.text, exprs: []expr.Any{&r.reply}}, nil
}

// drop is `drop`.
func drop() statement {
	return statement{text: "drop", exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}}
}
