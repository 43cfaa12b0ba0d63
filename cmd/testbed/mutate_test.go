package main

import (
	"testing"

	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
)

// Every result goes to its scenario, those without mutations among them.
func TestGather(t *testing.T) {
	list := []*spec.Scenario{{Name: "a", Mutations: make([]spec.Set, 2)}, {Name: "b"}, {Name: "c", Mutations: make([]spec.Set, 1)}}
	all := withMutants(list)
	var results []*verdict.Result
	for _, s := range all {
		results = append(results, &verdict.Result{Scenario: s})
	}
	for i, m := range gather(list, results) {
		if m.Scenario != list[i] || m.Original.Scenario != list[i] || len(m.Mutated) != len(list[i].Mutations) {
			t.Fatalf("scenario %d has %+v", i, m)
		}
		for k, r := range m.Mutated {
			if r.Scenario.Name != list[i].Name || r.Scenario.Mutation != k+1 {
				t.Errorf("mutant %d of %s is %d of %s", k+1, list[i].Name, r.Scenario.Mutation, r.Scenario.Name)
			}
		}
	}
}
