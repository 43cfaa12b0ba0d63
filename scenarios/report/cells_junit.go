package report

import (
	"fmt"

	"testbed/scenarios/verdict"
)

// eachCell are the results with their cells in place of those that are run more than
// once.
func eachCell(results []*verdict.Result) (all []*verdict.Result) {
	for _, r := range results {
		if len(r.Cells) == 0 {
			all = append(all, r)
		}
		all = append(all, r.Cells...)
	}
	return all
}

// cellName is a scenario's name, with the values of a cell: "lossy [loss=5%]".
func cellName(r *verdict.Result) string {
	if r.Scenario == nil || r.Scenario.CellName() == "" {
		return nameOf(r)
	}
	return nameOf(r) + " [" + inline(r.Scenario.CellName(), maxField) + "]"
}

// withSeries is the verdict of a step of the repetition that a cell tells of, with
// what is expected of all repetitions together, and of each.
func withSeries(r *verdict.Result, label string, v verdict.Verdict) verdict.Verdict {
	s := seriesOf(r, label)
	if s == nil || s.OK() {
		return v
	}
	all := verdict.Verdict{Checks: append(v.Checks[:len(v.Checks):len(v.Checks)], s.Verdict.Checks...)}
	if n := s.Failed(); n > 0 && len(s.Samples) > 1 {
		all.Checks = append(all.Checks, verdict.Check{
			Key: "repeat", Expected: fmt.Sprintf("%d as expected", len(s.Samples)), Observed: fmt.Sprintf("%d as expected", len(s.Samples)-n),
		})
	}
	return all
}
