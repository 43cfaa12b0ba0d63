// Package nft makes a node's firewall and NAT real with nftables. Compile turns
// the description into a Ruleset, which is pure data; a Handle applies one to a
// network namespace and reads the counters back.
package nft

import (
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"testbed/topo"
)

// TableName is the table, of family inet, that holds everything.
const TableName = "testbed"

// reserved begins the names of the rules that a NAT adds, and no other's.
const reserved = "nat:"

// Names of the rules that a NAT adds, as they appear in Counters.
const (
	// Untranslated drops what leaves toward the outside and belongs to no flow
	// that conntrack knows, and so would leak with its private address.
	Untranslated = "nat:untranslated"
	// Unsolicited drops what comes from the outside for a private address and
	// belongs to no flow that the inside began, and, where the NAT has a mapping
	// behaviour, what comes for a port of the outside address that is nobody's.
	Unsolicited = "nat:unsolicited"
	// Filtered drops what comes for an inside endpoint that has not sent to where
	// it comes from, as the NAT's filtering behaviour wants.
	Filtered = "nat:filtered"
	// Exhausted drops what begins a mapping when no outside port is free.
	Exhausted = "nat:exhausted"
	// The others are in NAT chains, which see only the first packet of a flow, or
	// keep mappings alive; they have no counter.
	natSource  = "nat:source"
	natForward = "nat:forward"
	natStatic  = "nat:static"
	natMapped  = "nat:mapped"
	natKeep    = "nat:keep"
	natPeer    = "nat:peer"
	natRefresh = "nat:refresh"
	natShare   = "nat:share"
	natLocal   = "nat:local"
)

// TableFull is the rule that drops what would begin a flow for which a node's
// connection tracking has no room.
const TableFull = "conntrack:full"

// Ruleset is a table worked out to the last expression. It is immutable and safe
// for concurrent use.
type Ruleset struct {
	stores []*store
	chains []*chain
	// counted are the counted rules in the order of Counters.
	counted []Count
}

// IsEmpty tells whether there is nothing to filter and nothing to translate.
func (r *Ruleset) IsEmpty() bool { return len(r.chains) == 0 }

// String is the table in nft's syntax, as `nft -s list ruleset` shows it. An
// empty ruleset is the empty string.
func (r *Ruleset) String() string {
	if r.IsEmpty() {
		return ""
	}
	var b strings.Builder
	b.WriteString("table inet " + TableName + " {\n")
	b.WriteString(r.storesText())
	for i, c := range r.chains {
		if i > 0 {
			b.WriteByte('\n')
		}
		c.writeTo(&b)
	}
	b.WriteString("}\n")
	return b.String()
}

// storesText are the stores of String.
func (r *Ruleset) storesText() string {
	var b strings.Builder
	for _, s := range r.stores {
		s.writeTo(&b)
		b.WriteByte('\n')
	}
	return b.String()
}

// chain is a list of rules; base is nil for a chain that is only jumped to.
type chain struct {
	name  string
	base  *base
	rules []rule
}

// base ties a chain to a hook.
type base struct {
	kind         nftables.ChainType
	hook         *nftables.ChainHook
	hookName     string
	priority     *nftables.ChainPriority
	priorityName string
}

// rule is what `nft add rule` adds. Rules without a name are jumps.
type rule struct {
	name  string
	parts []statement
}

// statement is a part of a rule: its text, and what the kernel is told.
type statement struct {
	text  string
	exprs []expr.Any
	// set is the anonymous set that exprs look up, or nil.
	set *set
}

// set is an anonymous constant set; id is unique in its ruleset.
type set struct {
	id       uint32
	key      nftables.SetDatatype
	interval bool
	elements []nftables.SetElement
}

func (c *chain) writeTo(b *strings.Builder) {
	b.WriteString("\tchain " + c.name + " {\n")
	if c.base != nil {
		b.WriteString("\t\ttype " + string(c.base.kind) + " hook " + c.base.hookName +
			" priority " + c.base.priorityName + "; policy accept;\n")
	}
	for _, r := range c.rules {
		b.WriteString("\t\t" + r.String() + "\n")
	}
	b.WriteString("\t}\n")
}

// String is the rule in nft's syntax.
func (r rule) String() string {
	var words []string
	for _, p := range r.parts {
		if p.text != "" {
			words = append(words, p.text)
		}
	}
	if r.name != "" {
		words = append(words, `comment "`+r.name+`"`)
	}
	return strings.Join(words, " ")
}

// exprs are the rule's expressions in order.
func (r rule) exprs() []expr.Any {
	var all []expr.Any
	for _, p := range r.parts {
		all = append(all, p.exprs...)
	}
	return all
}

// Count is how often a rule matched since the ruleset was applied.
type Count struct {
	// Rule is the rule's name, Action what the rule does.
	Rule   string
	Action topo.Action
	// Packets and Bytes are the kernel's; bytes are those of the IP packets.
	Packets, Bytes uint64
	// Met is, for a rule with an nth, how many packets met its other conditions.
	Met uint64
}
