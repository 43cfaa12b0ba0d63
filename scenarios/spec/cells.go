package spec

import (
	"encoding/binary"
	"hash/fnv"
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

// Reseed gives the scenario and its cells another seed.
func (s *Scenario) Reseed(seed uint64) {
	s.Topology.Seed = seed
	for _, c := range s.Cells {
		c.Topology.Seed = seed
	}
}
