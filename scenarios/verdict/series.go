package verdict

import (
	"slices"
	"time"

	"testbed/scenarios/spec"
)

// Series is what the repetitions of a step observed.
type Series struct {
	// Label is what the step is called, such as 3 or 3.1; the rest is as in its
	// observations, Path that of the first.
	Label  string
	Kind   Kind
	Title  string
	From   string
	Path   Path
	Clock  Clock
	Kernel string
	// Keys are the times that say most of it, and those of which something is expected.
	Keys []string
	// Samples are in the order of the repetitions. A repetition that did not come to
	// the step has none.
	Samples []Sample
	// Verdict is of what is expected of all repetitions together.
	Verdict Verdict
}

// newSeries begins a series with what all observations of a step have in common.
func newSeries(label string, step *spec.Step, o *Observation) Series {
	return Series{Label: label, Kind: o.Kind, Title: o.Title, From: o.From, Path: o.Path, Clock: o.Clock, Kernel: o.Kernel, Keys: KeysOf(step, o.Kind)}
}

// KeysOf are the times that say most of a step, and those of which something is
// expected, in the order of TimeKeys. step may be nil.
func KeysOf(step *spec.Step, kind Kind) []string {
	keys := map[string]bool{}
	switch kind {
	case Connect:
		keys["connect_time"] = true
	case HTTP:
		keys["connect_time"], keys["tls_time"], keys["first_byte_time"] = true, true, true
	default:
		keys["elapsed"] = true
	}
	if step != nil && step.Expect != nil {
		e := step.Expect
		keys["accept_time"] = e.AcceptTime != nil
		keys["elapsed"] = keys["elapsed"] || e.Elapsed != nil
		for _, list := range [][]spec.TimeOfAll{e.P50, e.P95, e.Max} {
			for _, t := range list {
				keys[t.Key] = true
			}
		}
	}
	if kind == Connect {
		keys["elapsed"] = false // it is the connect_time
	}
	return slices.DeleteFunc(slices.Clone(TimeKeys), func(key string) bool { return !keys[key] })
}

// Failed counts the repetitions that did not meet an expectation of each.
func (s *Series) Failed() (n int) {
	for i := range s.Samples {
		if !s.Samples[i].OK {
			n++
		}
	}
	return n
}

// OK tells whether every repetition met its expectations, and all together theirs.
func (s *Series) OK() bool { return s.Failed() == 0 && s.Verdict.OK }

// Times are those of a key that were observed, in ascending order.
func (s *Series) Times(key string) []time.Duration { return timesOf(s.Samples, key) }

// Ending is a way in which a step ended, and how often.
type Ending struct {
	Ending string
	Count  int
}

// Endings are the ways in which the repetitions ended, the most frequent first.
func (s *Series) Endings() (all []Ending) {
	for i := range s.Samples {
		all = count(all, s.Samples[i].Ending(s.Kind))
	}
	byCount(all)
	return all
}

// Repeat is how a step fares that is performed several times, one after the other:
// the observation that is told of, the first that is not as expected or else the
// first of all, with what all others made of it.
func Repeat(step *spec.Step, all []*Observation) *Observation {
	told, samples := 0, []Sample(nil)
	for i, o := range all {
		samples = append(samples, Repetition(step, i+1, o))
		if !samples[i].OK && samples[told].OK {
			told = i
		}
	}
	o := *all[told]
	o.Repetition, o.Samples = told+1, samples
	return &o
}

// Repetition is one of a step that is performed several times, numbered from 1.
func Repetition(step *spec.Step, n int, o *Observation) Sample {
	once := *step
	once.Repeat = 0
	return NewSample(n, o, Judge(&once, o))
}

// Hopeless tells whether a step that is performed several times can't be as expected
// any more, from its first repetitions, whatever the others make of it.
func Hopeless(step *spec.Step, samples []Sample) bool {
	if slices.ContainsFunc(samples, func(s Sample) bool { return !s.OK }) {
		return true
	}
	if step.Expect == nil || len(step.Expect.Kernels) > 0 {
		return false
	}
	return slices.ContainsFunc(step.Expect.Outcomes, func(o spec.OutcomeShare) bool {
		least := ended(o.Outcome, samples)
		most := least + step.Repeat - len(samples)
		for n := least; n <= most; n++ {
			if meetsShare(o.Share, n, step.Repeat) {
				return false
			}
		}
		return true
	})
}

// judgeSeries holds all repetitions of a step against what is expected of them
// together. A step that is itself performed several times has been, each time.
func judgeSeries(step *spec.Step, s *Series) Verdict {
	v := Verdict{OK: true}
	if step.Expect == nil || step.Repeat > 1 {
		return v
	}
	j := judge{e: step.Expect, o: &Observation{Kind: s.Kind, From: s.From, Path: s.Path, Clock: s.Clock, Kernel: s.Kernel}}
	kernels := j.choose()
	j.whole(s.Samples)
	j.mark(kernels)
	v.Checks = j.checks
	for _, c := range v.Checks {
		v.OK = v.OK && c.OK
	}
	return v
}
