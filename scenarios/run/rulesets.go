package run

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"testbed/scenarios/spec"
	"testbed/topo/rtnl"
	"testbed/topo/ruleset"
)

// located is an error that says where in the scenario's file it comes from, a
// *spec.Problems, where that is rulesets which their tools refuse, or sysctls' values
// which the kernel does. A sysctl that the kernel lacks is told with its place too, and
// stays what it is: another kernel may have it.
func located(s *spec.Scenario, err error) error {
	if s.File == "" {
		return err
	}
	if problems := misplaced(s, err); len(problems) > 0 {
		slices.SortStableFunc(problems, func(a, b spec.Problem) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
		})
		return &spec.Problems{List: slices.Compact(problems)}
	}
	var unknown *rtnl.UnknownSysctl
	if errors.As(err, &unknown) {
		if place := s.SysctlPlace(unknown.Name); place != "" {
			return fmt.Errorf("%s: %w", place, err)
		}
	}
	return err
}

// misplaced are the mistakes of the file that an error and those joined in it tell.
func misplaced(s *spec.Scenario, err error) (all []spec.Problem) {
	switch e := err.(type) {
	case *ruleset.Invalid:
		for _, c := range e.Complaints {
			if e.Ruleset.Line != 0 {
				all = append(all, s.Misplaced(e.Ruleset, c.Line, c.Column, c.Message))
			}
		}
	case *rtnl.SysctlValue:
		message := fmt.Sprintf("the kernel does not take %q", e.Value)
		if e.Err == nil {
			message = fmt.Sprintf("of %q the kernel made %q", e.Value, e.Made)
		}
		if p, ok := s.MisplacedSysctl(e.Name, e.Value, message); ok {
			all = append(all, p)
		}
	case interface{ Unwrap() error }:
		return misplaced(s, e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			all = append(all, misplaced(s, one)...)
		}
	}
	return all
}
