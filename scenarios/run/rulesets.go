package run

import (
	"errors"
	"fmt"

	"testbed/scenarios/spec"
	"testbed/topo/rtnl"
	"testbed/topo/ruleset"
)

// located is an error that says where in the scenario's file it comes from, a
// *spec.Problems, where that is a ruleset which its tool refuses, or a sysctl's value
// which the kernel does. A sysctl that the kernel lacks is told with its place too, and
// stays what it is: another kernel may have it.
func located(s *spec.Scenario, err error) error {
	var (
		refused *ruleset.Invalid
		value   *rtnl.SysctlValue
		unknown *rtnl.UnknownSysctl
	)
	problems := &spec.Problems{}
	switch {
	case s.File == "":
	case errors.As(err, &refused) && refused.Ruleset.Line != 0:
		for _, c := range refused.Complaints {
			problems.List = append(problems.List, s.Misplaced(refused.Ruleset, c.Line, c.Column, c.Message))
		}
	case errors.As(err, &value):
		message := fmt.Sprintf("the kernel does not take %q", value.Value)
		if value.Err == nil {
			message = fmt.Sprintf("of %q the kernel made %q", value.Value, value.Made)
		}
		if p, ok := s.MisplacedSysctl(value.Name, value.Value, message); ok {
			problems.List = append(problems.List, p)
		}
	case errors.As(err, &unknown):
		if place := s.SysctlPlace(unknown.Name); place != "" {
			return fmt.Errorf("%s: %w", place, err)
		}
	}
	if len(problems.List) == 0 {
		return err
	}
	return problems
}
