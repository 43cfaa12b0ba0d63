package report

import (
	"fmt"

	"testbed/scenarios/verdict"
)

// nested writes the steps of a parallel step, indented.
func (t *text) nested(s *verdict.StepResult) {
	outer := t.margin
	t.margin += "  "
	for _, n := range s.Nested() {
		t.step(&n)
	}
	t.margin = outer
}

// sideBySide tells of a parallel step; its steps tell their own stories.
func (e *evidence) sideBySide() string {
	return fmt.Sprintf("%s ran at the same time, and the last of them had ended after %s.", capital(count(len(e.Parallel), "step")), short(e.Elapsed))
}
