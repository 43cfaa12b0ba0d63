package report

import (
	"fmt"

	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
)

// chosen tells which of the expectations for some kernels only a step was held
// against.
func chosen(step *spec.Step, o *verdict.Observation) []string {
	if step == nil || step.Expect == nil || len(step.Expect.Kernels) == 0 {
		return nil
	}
	_, found, err := step.Expect.On(o.Kernel)
	if err != nil {
		return nil // a check says so
	}
	if len(found) == 0 {
		return []string{fmt.Sprintf("Kernel: %s, for which nothing is expected in addition.", inline(o.Kernel, maxField))}
	}
	var ranges []string
	for _, k := range found {
		ranges = append(ranges, inline(k.Text, maxField))
	}
	return []string{fmt.Sprintf("Kernel: %s, so that what is expected of kernels %s counts too.", inline(o.Kernel, maxField), list(ranges))}
}
