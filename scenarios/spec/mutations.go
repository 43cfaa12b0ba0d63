package spec

import (
	"maps"
	"slices"
)

// maxMutations bounds a scenario's mutations.
const maxMutations = 100

// Mutated is the scenario with its i-th mutation, from 0, as its first step. The
// steps after it are the scenario's own. The scenario itself stays as it is.
func (s *Scenario) Mutated(i int) *Scenario {
	m := *s
	m.Mutation = i + 1
	m.Steps = append([]Step{{Set: &s.Mutations[i]}}, s.Steps...)
	m.Cells = nil
	for _, c := range s.Cells {
		m.Cells = append(m.Cells, c.Mutated(i))
	}
	return &m
}

// mutations are changes of the network as it is built: none builds on another, and
// the steps begin with what is built.
func (b *builder) mutations(raw []*rawSet) {
	if len(raw) > maxMutations {
		b.add(raw[maxMutations].mark, bad("more than %d mutations", maxMutations).want("fewer"))
		return
	}
	vague := maps.Clone(b.vague)
	for _, r := range raw {
		b.links = slices.Clone(b.sc.Topology.Links)
		b.vague = maps.Clone(vague)
		b.sc.Mutations = append(b.sc.Mutations, *b.set(r))
	}
	b.vague = vague
}
