package netem

import (
	"errors"
	"fmt"
	"slices"
)

// Validate says what is wrong with an impairment that no medium can carry: a
// negative time, size or number, a probability outside 0 to 1, a distribution
// that is none, a fault that does nothing known, or fields that contradict each other. It returns all of it,
// joined, or nil. A jitter greater than the delay is allowed: a frame's time on
// its way is never less than nothing.
func (i Impairment) Validate() error {
	return errors.Join(i.negative(), i.improbable(), i.inconsistent(), i.Faults.validate())
}

func (i Impairment) negative() error {
	var errs []error
	if i.Delay < 0 {
		errs = append(errs, fmt.Errorf("delay %v is negative", i.Delay))
	}
	if i.Jitter < 0 {
		errs = append(errs, fmt.Errorf("jitter %v is negative", i.Jitter))
	}
	for _, c := range []struct {
		name string
		n    int
	}{{"mtu", i.MTU}, {"queue frames", i.Queue.Frames}, {"queue bytes", i.Queue.Bytes}} {
		if c.n < 0 {
			errs = append(errs, fmt.Errorf("%s %d is negative", c.name, c.n))
		}
	}
	return errors.Join(errs...)
}

func (i Impairment) improbable() error {
	var errs []error
	for _, c := range []struct {
		name string
		p    float64
	}{
		{"loss", i.Loss}, {"jitter correlation", i.JitterCorrelation}, {"loss correlation", i.LossCorrelation},
		{"bursts to bad", i.Bursts.ToBad}, {"bursts to good", i.Bursts.ToGood},
		{"bursts loss in bad", i.Bursts.LossBad}, {"bursts loss in good", i.Bursts.LossGood},
		{"duplicate", i.Duplicate}, {"reorder", i.Reorder}, {"corrupt", i.Corrupt},
	} {
		if !(c.p >= 0 && c.p <= 1) { // so that NaN is none
			errs = append(errs, fmt.Errorf("%s %v is not between 0 and 1", c.name, c.p))
		}
	}
	return errors.Join(errs...)
}

var distributions = []Distribution{"", Uniform, Normal, Pareto, ParetoNormal}

func (i Impairment) inconsistent() error {
	var errs []error
	if !slices.Contains(distributions, i.Distribution) {
		errs = append(errs, fmt.Errorf("distribution %q is not one of %s, %s, %s, %s", i.Distribution, Uniform, Normal, Pareto, ParetoNormal))
	}
	if i.LossCorrelation == 1 {
		errs = append(errs, errors.New("loss correlation 1 leaves nothing to chance: it must be less"))
	}
	if i.Bursts != (GilbertElliott{}) && (i.Loss != 0 || i.LossCorrelation != 0) {
		errs = append(errs, errors.New("bursts take the place of loss and loss correlation: set one or the other"))
	}
	if i.Reorder > 0 && i.Delay == 0 {
		errs = append(errs, errors.New("reorder without a delay: there is nothing to overtake"))
	}
	if i.Queue != (Queue{}) && i.Rate == 0 {
		errs = append(errs, errors.New("queue without a rate: nothing waits"))
	}
	return errors.Join(errs...)
}
