package main

import (
	"strings"

	"github.com/spf13/cobra"

	"testbed/scenarios/spec"
)

// cellFlags choose among the runs of scenarios with a matrix.
type cellFlags struct {
	cells  []string
	repeat int
}

func (f *cellFlags) add(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.cells, "cell", nil, "run the cells of a matrix with this `NAME=VALUE` alone; can be given several times")
	c.Flags().IntVar(&f.repeat, "repeat", 0, "run each scenario, or each cell, so many times (0: as its file says)")
}

// pick is what the flags leave of scenarios.
func (f *cellFlags) pick(list []*spec.Scenario) ([]*spec.Scenario, error) {
	if f.repeat < 0 || f.repeat > spec.MaxRepeat {
		return nil, usage("--repeat %d: it takes 0 to %d", f.repeat, spec.MaxRepeat)
	}
	if len(f.cells) == 0 && f.repeat == 0 {
		return list, nil
	}
	var values []spec.Assignment
	for _, word := range f.cells {
		name, value, ok := strings.Cut(word, "=")
		if !ok {
			return nil, usage("--cell %s: it takes a parameter and its value, as in --cell loss=5%%", word)
		}
		values = append(values, spec.Assignment{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)})
	}
	picked := make([]*spec.Scenario, len(list))
	for i, s := range list {
		one, err := s.Only(values, f.repeat)
		if err != nil {
			return nil, usage("--cell: %w", err)
		}
		if n := one.Runs(); f.repeat > 0 && n > spec.MaxRuns {
			return nil, usage("--repeat %d: %s would be run %d times, more than %d: --cell picks some of its cells", f.repeat, s.Name, n, spec.MaxRuns)
		}
		picked[i] = one
	}
	return picked, nil
}
