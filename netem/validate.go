package netem

import (
	"errors"
	"fmt"
)

// Validate says what is wrong with an impairment that no medium can carry: a
// negative time or MTU, or a probability outside 0 to 1. It returns all of it,
// joined, or nil. A jitter greater than the delay is allowed: a frame's time on
// its way is never less than nothing.
func (i Impairment) Validate() error {
	var errs []error
	if i.Delay < 0 {
		errs = append(errs, fmt.Errorf("delay %v is negative", i.Delay))
	}
	if i.Jitter < 0 {
		errs = append(errs, fmt.Errorf("jitter %v is negative", i.Jitter))
	}
	if !probability(i.Loss) {
		errs = append(errs, fmt.Errorf("loss %v is not between 0 and 1", i.Loss))
	}
	if !probability(i.Duplicate) {
		errs = append(errs, fmt.Errorf("duplicate %v is not between 0 and 1", i.Duplicate))
	}
	if i.MTU < 0 {
		errs = append(errs, fmt.Errorf("mtu %d is negative", i.MTU))
	}
	return errors.Join(errs...)
}

// probability is false for NaN as well.
func probability(p float64) bool { return p >= 0 && p <= 1 }
