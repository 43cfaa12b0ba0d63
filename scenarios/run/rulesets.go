package run

import (
	"errors"

	"testbed/scenarios/spec"
	"testbed/topo/ruleset"
)

// located is an error that says where in the scenario's file it comes from, where
// that is a ruleset which its tool refuses: a *spec.Problems.
func located(s *spec.Scenario, err error) error {
	var refused *ruleset.Invalid
	if !errors.As(err, &refused) || s.File == "" || refused.Ruleset.Line == 0 {
		return err
	}
	problems := &spec.Problems{}
	for _, c := range refused.Complaints {
		problems.List = append(problems.List, s.Misplaced(refused.Ruleset, c.Line, c.Column, c.Message))
	}
	return problems
}
