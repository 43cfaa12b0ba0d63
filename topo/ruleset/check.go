package ruleset

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"testbed/topo"
	"testbed/topo/netns"
)

// Check finds, before they are loaded, rulesets that their tools will refuse whenever
// that is: an *Invalid for each of them, joined. It is silent about one that is loaded
// or refused by what there is at that time: interfaces, sets, users, included files.
//
// It runs `nft -c -f -` and `iptables-restore --test` in a namespace of its own.
func Check(list []topo.Ruleset) (err error) {
	list = slices.DeleteFunc(slices.Clone(list), func(r topo.Ruleset) bool {
		// A file that is included may have the beginning of a block in it.
		return r.Text == "" || r.Tool == topo.Nftables && strings.Contains(r.Text, "include")
	})
	if len(list) == 0 {
		return nil
	}
	ns, err := netns.New()
	if err != nil {
		return fmt.Errorf("make a namespace to check rulesets in: %w", err)
	}
	defer func() { err = errors.Join(err, ns.Close()) }()
	var all []error
	for _, r := range list {
		option := "--test"
		if r.Tool == topo.Nftables {
			option = "-c"
		}
		var refused *Invalid
		if errors.As(restore(ns, r, option), &refused) && slices.ContainsFunc(refused.Complaints, Complaint.grammar) {
			all = append(all, refused)
		}
	}
	return errors.Join(all...)
}

// grammar tells whether a complaint follows from the text alone. Of a text that nft
// finds no sentence in, it looks up nothing that it names.
func (c Complaint) grammar() bool {
	for _, begins := range []string{"syntax error,", `unknown option "`, "Bad argument `", "COMMIT expected"} {
		if strings.HasPrefix(c.Message, begins) {
			return true
		}
	}
	return strings.HasPrefix(c.Message, `option "`) && strings.HasSuffix(c.Message, `" requires an argument`)
}
