package verdict

import (
	"slices"

	"testbed/scenarios/spec"
)

// choose makes the expectations those for the step's kernel, and returns the ones
// among them that are for some kernels only.
func (j *judge) choose() []spec.KernelExpect {
	e, found, err := j.e.On(j.o.Kernel)
	if err != nil {
		j.add(Check{Key: "kernels", Expected: "a known kernel", Observed: "none", Note: err.Error()})
		return nil
	}
	j.e = e
	return found
}

// mark says of each check for which kernels only it is.
func (j *judge) mark(found []spec.KernelExpect) {
	for i := range j.checks {
		c := &j.checks[i]
		for _, k := range found {
			if slices.Contains(k.Keys, c.Key) {
				c.Kernels = k.Text
			}
		}
	}
}
