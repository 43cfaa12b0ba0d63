package spec

import (
	"slices"

	"testbed/topo"
)

// joinAll makes the links whose two ends are known.
func (b *builder) joinAll(raw []*rawLink) (links []topo.Link) {
	if len(raw) > maxLinks {
		b.add(raw[maxLinks].mark, bad("more than %d links", maxLinks).want("a smaller network"))
		return nil
	}
	first := map[[2]string]int{}
	for _, r := range raw {
		if r.Between == nil || !b.knownPair("between", r.Between) {
			continue
		}
		ends := r.Between.names()
		if ends[0] == ends[1] {
			b.add(r.Between.ends[1].mark, bad("a link from %q to itself", ends[0]).want("two nodes"))
			continue
		}
		if line, dup := first[ends]; dup {
			b.add(r.Between.mark, bad("a second link between %q and %q: there is one on line %d", ends[0], ends[1], line).want("one link between two nodes"))
			continue
		}
		first[ends], first[[2]string{ends[1], ends[0]}] = r.Between.line, r.Between.line
		l := topo.Link{Ends: ends}
		b.vague[ends] = r.partial
		b.impair(&l, &r.rawImpairment, &r.Toward)
		links = append(links, l)
	}
	return links
}

func (b *builder) knownPair(key string, p *pair) bool {
	first := b.known(key, &p.ends[0])
	return b.known(key, &p.ends[1]) && first
}

// impair applies to a link what a declaration or a change of it names: first to
// both directions, then to those that toward names.
func (b *builder) impair(l *topo.Link, both *rawImpairment, toward *entries[rawDirection]) {
	apply(&l.Toward[0], both)
	apply(&l.Toward[1], both)
	if both.Faults != nil {
		f := b.faults(l.Ends, both.Faults)
		l.Toward[0].Faults, l.Toward[1].Faults = f, f
	}
	if both.MTU != nil {
		l.MTU = both.MTU.V
	}
	if both.Up != nil {
		l.Down = !both.Up.V
	}
	for _, e := range toward.list {
		side := slices.Index(l.Ends[:], e.key)
		if side < 0 {
			c := bad("toward: %s is no end of this link", quote(e.key)).want(l.Ends[0] + ", " + l.Ends[1])
			b.add(e.at, c.near(nearest(e.key, l.Ends[:])))
			continue
		}
		if e.value == nil {
			continue
		}
		i := &l.Toward[side]
		apply(i, &e.value.rawImpairment)
		if e.value.Faults != nil {
			i.Faults = b.faults(l.Ends, e.value.Faults)
		}
		if e.value.MTU != nil {
			i.MTU = e.value.MTU.V
		}
		if e.value.Up != nil {
			i.Down = !e.value.Up.V
		}
	}
	if !b.vague[l.Ends] {
		b.compatible(l, both, toward)
	}
}
