package report

import (
	"fmt"
	"strconv"

	"testbed/netem"
	"testbed/observe"
)

// ending is how packets died: who did what, so that sentences can be made of
// it in both voices.
type ending struct {
	// agent did it ("rule block-web at fw"), verb says what, in the past tense.
	agent, verb string
	// where stands for "by AGENT" in the passive voice; may be empty.
	where string
}

func (x ending) passive() string {
	if x.where != "" {
		return x.verb + " " + x.where
	}
	return x.verb + " by " + x.agent
}

func (x ending) active(object string) string {
	for i := range len(x.agent) {
		if x.agent[i] == ',' {
			return x.agent + ", " + x.verb + " " + object
		}
	}
	return x.agent + " " + x.verb + " " + object
}

// endingOf tells how a packet died.
func endingOf(d observe.Drop) ending {
	node, rule := inline(d.Node, maxField), inline(d.RuleText(), maxField)
	if d.Node == "" {
		return onLink(d)
	}
	switch d.Cause {
	case observe.ByRule:
		if d.Answer != "" {
			return ending{agent: "rule " + rule + " at " + node, verb: "rejected"}
		}
		return ending{agent: "rule " + rule + " at " + node, verb: "dropped"}
	case observe.ByNAT:
		return ending{agent: "the NAT at " + node + ", which has no entry for this flow", verb: "dropped"}
	case observe.ByFiltering:
		return ending{agent: "the NAT at " + node + ", which lets in only what the inside has sent for", verb: "dropped"}
	case observe.ByExhaustion:
		return ending{agent: "the NAT at " + node + ", which has no outside port left", verb: "dropped"}
	case observe.ByBlackhole:
		return ending{agent: "a blackhole route at " + node, verb: "discarded"}
	case observe.ByUnreachable:
		return ending{agent: `a route of kind "unreachable" at ` + node, verb: "turned away"}
	case observe.ByProhibit:
		return ending{agent: `a route of kind "prohibit" at ` + node, verb: "turned away"}
	case observe.ByNoRoute:
		return ending{agent: node + ", which has no route to the destination", verb: "dropped"}
	case observe.ByNoNeighbour:
		return ending{agent: node + ", as nobody on its link answers for that address (ARP or neighbour discovery failed)", verb: "dropped"}
	case observe.ByTTL:
		return ending{agent: node + ", where the hop limit ran out", verb: "dropped"}
	case observe.ByMTU:
		return ending{agent: node + ", whose next link is too small for that size", verb: "dropped"}
	case observe.ByNoForwarding:
		return ending{agent: node + ", a host, which does not forward", verb: "dropped"}
	case observe.ByRuleset:
		verb := "dropped"
		if d.Answer != "" {
			verb = "rejected"
		}
		return ending{agent: "the ruleset of " + node + ", as nothing else explains it", verb: verb}
	case observe.ByFullTable:
		return ending{agent: node + ", whose table of flows is full (nf_conntrack: table full, dropping packet)", verb: "dropped"}
	case observe.ByRPFilter:
		return ending{agent: node + ", whose route back to the source leads elsewhere (rp_filter; nothing is logged unless log_martians is set)", verb: "dropped"}
	case observe.ByFullQueue:
		return ending{agent: node + ", whose accept queue is full", verb: "dropped"}
	case observe.BySynQueue:
		return ending{agent: node + ", whose queue of half-open connections is full", verb: "dropped"}
	}
	return ending{agent: node + ", for a reason that is not known", verb: "dropped", where: "at " + node + " for a reason that is not known"}
}

func onLink(d observe.Drop) ending {
	if d.Link == [2]string{} {
		return ending{agent: "something unknown", verb: "lost", where: "at an unknown place"}
	}
	link := "the link from " + inline(d.Link[0], maxField) + " to " + inline(d.Link[1], maxField)
	switch d.Cause {
	case observe.Cause(netem.TooBig):
		return ending{agent: link + ", which carries no packet of that size", verb: "swallowed"}
	case observe.Cause(netem.LinkDown):
		return ending{agent: link + ", which was down", verb: "swallowed"}
	case observe.Cause(netem.Overflow):
		return ending{agent: "the full queue of " + link, verb: "dropped"}
	case observe.Cause(netem.Faulted):
		by := "fault " + inline(d.Fault, maxField) + " of " + link
		if d.Answer != "" {
			return ending{agent: by, verb: "swallowed", where: "by " + by + ", which answered with a RST"}
		}
		return ending{agent: by, verb: "lost", where: "on " + link + " by fault " + inline(d.Fault, maxField)}
	case observe.Burst:
		return ending{agent: link + ", in a burst of losses", verb: "lost", where: "in a burst on " + link}
	case observe.Corrupted:
		by := ""
		if d.Fault != "" {
			by = " by fault " + inline(d.Fault, maxField)
		}
		return ending{agent: link, verb: "corrupted", where: "on " + link + by + " (a bit flipped, so that a checksum is wrong)"}
	}
	return ending{agent: link, verb: "lost", where: "on " + link}
}

// fate is what became of some packets of one kind.
type fate struct {
	n       int
	arrived bool
	pending bool
	drop    observe.Drop
}

func (f fate) died() bool { return !f.arrived && !f.pending }

// fatesOf groups packets by what became of them, in order of first occurrence.
func fatesOf(js []*observe.Journey) []fate {
	var out []fate
next:
	for _, j := range js {
		f := fate{n: 1, arrived: j.Fate.Delivered, pending: !j.Fate.Delivered && j.Fate.Pending}
		if f.died() {
			f.drop = j.Fate.Drop
		}
		for i := range out {
			g := out[i]
			g.n = 1
			if g == f {
				out[i].n++
				continue next
			}
		}
		out = append(out, f)
	}
	return out
}

// predicate says what became of the packets: "were dropped by …".
func (f fate) predicate(to string) string {
	switch {
	case f.arrived:
		return "reached " + to
	case f.pending && f.n == 1:
		return "was still on its way"
	case f.pending:
		return "were still on their way"
	case f.n == 1:
		return "was " + endingOf(f.drop).passive()
	}
	return "were " + endingOf(f.drop).passive()
}

// account says what became of all packets of one kind: "All 3 SYNs to
// server:80 were dropped by rule x at fw".
func account(js []*observe.Journey, noun, toward, to string) string {
	fates := fatesOf(js)
	if toward != "" {
		toward = " " + toward
	}
	switch len(fates) {
	case 0:
		return ""
	case 1:
		return capital(allOf(len(js), noun)) + toward + " " + fates[0].predicate(to)
	}
	parts := make([]string, len(fates))
	for i, f := range fates {
		parts[i] = strconv.Itoa(f.n) + " " + f.predicate(to)
	}
	return fmt.Sprintf("Of the %d %ss%s, %s", len(js), noun, toward, list(parts))
}

// allOf is "the SYN", "both SYNs", "all 3 SYNs".
func allOf(n int, noun string) string {
	switch n {
	case 1:
		return "the " + noun
	case 2:
		return "both " + noun + "s"
	}
	return "all " + count(n, noun)
}

// worst is the drop that most of the packets share; false when none died.
func worst(js []*observe.Journey) (observe.Drop, int, bool) {
	best := fate{}
	for _, f := range fatesOf(js) {
		if f.died() && f.n > best.n {
			best = f
		}
	}
	return best.drop, best.n, best.n > 0
}
