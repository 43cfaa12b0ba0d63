package topo

// Tool is what loads a ruleset that is written in its own language.
type Tool string

// The tools, by the keys under which scenarios have their rulesets.
const (
	// Nftables is nft(8), which reads what `nft list ruleset` prints.
	Nftables Tool = "nftables"
	// Iptables and IP6tables are iptables-restore(8) and ip6tables-restore(8), which
	// read what iptables-save(8) prints.
	Iptables  Tool = "iptables"
	IP6tables Tool = "ip6tables"
)

// Tools lists every tool, in the order in which a node's rulesets are loaded.
var Tools = []Tool{Nftables, Iptables, IP6tables}

// Program is the name of the tool's program.
func (t Tool) Program() string {
	switch t {
	case Iptables:
		return "iptables-restore"
	case IP6tables:
		return "ip6tables-restore"
	}
	return "nft"
}

// Package is the name of the tool's package in most distributions.
func (t Tool) Package() string {
	if t == Nftables {
		return "nftables"
	}
	return "iptables"
}

// Ruleset is a ruleset that a node has beside its Firewall, in a tool's language.
type Ruleset struct {
	Tool Tool
	Text string
	// Line is where the text begins in the file that it comes from, 0 if in none.
	Line int
}

// WithRulesets are rulesets of which others replace those of the same tools. An
// empty text removes one.
func WithRulesets(old, replace []Ruleset) (all []Ruleset) {
	for _, tool := range Tools {
		var last *Ruleset
		for _, list := range [][]Ruleset{old, replace} {
			for i := range list {
				if list[i].Tool == tool {
					last = &list[i]
				}
			}
		}
		if last != nil && last.Text != "" {
			all = append(all, *last)
		}
	}
	return all
}
