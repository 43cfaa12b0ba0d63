package spec

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
)

// Assignment is a parameter of a matrix and its value in a cell, as written.
type Assignment struct{ Name, Value string }

// CellName is a cell in words: "loss=5%, delay=10ms"; empty for a scenario without a
// matrix.
func (s *Scenario) CellName() string {
	var words []string
	for _, a := range s.Cell {
		words = append(words, a.Name+"="+a.Value)
	}
	return strings.Join(words, ", ")
}

// Repeated tells whether the scenario is performed more than once: it has a matrix,
// or is repeated.
func (s *Scenario) Repeated() bool { return len(s.Cells) > 0 || s.Repeat > 1 }

// Each are the scenario's cells; of one without a matrix, the scenario itself.
func (s *Scenario) Each() []*Scenario {
	if len(s.Cells) == 0 {
		return []*Scenario{s}
	}
	return s.Cells
}

// Repetitions is how often each cell is performed, at least once.
func (s *Scenario) Repetitions() int { return max(s.Repeat, 1) }

// Runs is how many networks are built in all.
func (s *Scenario) Runs() int { return len(s.Each()) * s.Repetitions() }

// Run is a scenario that is performed once: the k-th repetition, from 0, of the i-th
// cell. Its seed is RepetitionSeed.
func (s *Scenario) Run(i, k int) *Scenario {
	one := *s.Each()[i]
	one.Source, one.Cells, one.Repeat = s.Source, nil, 0
	one.Topology.Seed = RepetitionSeed(one.Topology.Seed, k)
	return &one
}

// RepetitionSeed is the seed of a scenario's k-th repetition, from 0, of which the
// first has the scenario's own: a scenario with that seed does the same as the
// repetition does.
func RepetitionSeed(seed uint64, k int) uint64 {
	if k == 0 {
		return seed
	}
	h := fnv.New64a()
	h.Write(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, seed), uint64(k)))
	return h.Sum64()
}

// Only is the scenario with those of its cells that have some values, each performed
// so many times, or as the file says if that is 0. What is performed once then is no
// longer a scenario with cells. The error says what the scenario has instead.
func (s *Scenario) Only(values []Assignment, repeat int) (*Scenario, error) {
	some := *s
	some.Cells = nil
	for _, c := range s.Cells {
		if !slices.ContainsFunc(values, func(a Assignment) bool { return !slices.Contains(c.Cell, a) }) {
			some.Cells = append(some.Cells, c)
		}
	}
	if len(some.Cells) == 0 && len(values) > 0 {
		return nil, s.noCell(values)
	}
	if repeat > 0 {
		some.Repeat = repeat
	}
	if some.Repeated() && some.Runs() == 1 {
		return some.Run(0, 0), nil
	}
	if len(some.Cells) > 0 {
		some.Topology, some.Steps, some.Mutations = some.Cells[0].Topology, some.Cells[0].Steps, some.Cells[0].Mutations
	}
	return &some, nil
}

// noCell says why no cell has some values.
func (s *Scenario) noCell(values []Assignment) error {
	if len(s.Cells) == 0 {
		return fmt.Errorf("%s has no matrix", s.Name)
	}
	for _, a := range values {
		var names, texts []string
		for _, c := range s.Cells {
			for _, b := range c.Cell {
				if !slices.Contains(names, b.Name) {
					names = append(names, b.Name)
				}
				if b.Name == a.Name && !slices.Contains(texts, b.Value) {
					texts = append(texts, b.Value)
				}
			}
		}
		switch {
		case texts == nil:
			return fmt.Errorf("%s has no parameter %q: %s", s.Name, a.Name, several("its parameters", names))
		case !slices.Contains(texts, a.Value):
			return fmt.Errorf("%s has no %s=%s: %s", s.Name, a.Name, a.Value, several("the values", texts))
		}
	}
	return fmt.Errorf("%s has no cell with all of these values", s.Name)
}

// Reseed gives the scenario and its cells another seed.
func (s *Scenario) Reseed(seed uint64) {
	s.Topology.Seed = seed
	for _, c := range s.Cells {
		c.Topology.Seed = seed
	}
}
