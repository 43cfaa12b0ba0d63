package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
)

// Mutants are a scenario's result as it is, and with each of its mutations.
type Mutants struct {
	Scenario *spec.Scenario
	// Original is nil until it was run, as is each of Mutated, which is parallel to
	// the scenario's mutations.
	Original *verdict.Result
	Mutated  []*verdict.Result
}

// OK tells whether the scenario names mutations, is green without them, and red
// with each. One that is not for this kernel is no failure.
func (m *Mutants) OK() bool {
	if m.skipped() {
		return true
	}
	if m.Original == nil || !m.Original.OK() || len(m.Mutated) == 0 {
		return false
	}
	for _, r := range m.Mutated {
		if !noticed(r) {
			return false
		}
	}
	return true
}

func (m *Mutants) skipped() bool {
	return m.Original != nil && m.Original.Skipped != "" && m.Original.Err == nil
}

// noticed tells whether an expectation was not met.
func noticed(r *verdict.Result) bool { return r != nil && r.Err == nil && !r.OK() }

// MutantsText writes a scenario's mutations for a person: which expectation noticed
// each, and which none did.
func MutantsText(w io.Writer, m *Mutants, o Options) error {
	t := &text{Options: o, palette: palette{o.Color}}
	t.mutantsHeading(m)
	switch {
	case m.skipped():
		t.indented("  ", inline(m.Original.Skipped, maxField))
	case m.Original == nil || !m.Original.OK():
		t.unmutated(m)
	case len(m.Scenario.Mutations) == 0:
		t.indented("  ", "It names no mutation, so nothing shows that it can fail. Name some: mutations: [{link: [a, b], delay: 1s}]")
	default:
		for i, r := range m.Mutated {
			t.mutant(m.Scenario.Mutations[i].Text, r)
		}
	}
	_, err := w.Write(t.Bytes())
	return err
}

func (t *text) mutantsHeading(m *Mutants) {
	state := t.good("ok")
	switch {
	case m.skipped():
		state = t.warn("skipped")
	case !m.OK():
		state = t.bad("FAILED")
	}
	n := 0
	for _, r := range m.Mutated {
		if noticed(r) {
			n++
		}
	}
	line := t.strong(inline(m.Scenario.Name, maxField)) + "  " + state
	if all := len(m.Mutated); all > 0 && !m.skipped() {
		line += "  " + t.dim(fmt.Sprintf("%d of %s noticed", n, count(all, "mutation")))
	}
	t.line(line)
}

// unmutated says why the scenario as it is shows nothing.
func (t *text) unmutated(m *Mutants) {
	if r := m.Original; r != nil && r.Err != nil {
		t.result = r
		t.problem()
		return
	}
	t.indented("  ", "It fails without any mutation: testbed run "+inline(m.Scenario.File, maxField)+" tells why.")
}

// mutant writes one mutation and the first expectation that was not met with it.
func (t *text) mutant(change string, r *verdict.Result) {
	title := t.legible(inline(change, maxField))
	switch {
	case r == nil:
		t.compact(title, false, []string{"not run"})
	case r.Err != nil:
		t.compact(title, false, []string{"could not run: " + inline(r.Err.Error(), maxField)})
	case r.OK():
		t.compact(title, false, []string{"no expectation notices it"})
	default:
		t.compact(title, true, []string{noticedBy(r)})
	}
}

// noticedBy is the first step and expectation that was not met. The first step of a
// mutated scenario is the mutation.
func noticedBy(r *verdict.Result) string {
	for i := range r.Steps {
		if c := unmet(r.Steps[i].Verdict.Checks); c != nil {
			return fmt.Sprintf("step %d, %s", i, unlike(c))
		}
		for k, n := range r.Steps[i].Nested() {
			if c := unmet(n.Verdict.Checks); c != nil {
				return fmt.Sprintf("step %d.%d, %s", i, k+1, unlike(c))
			}
		}
	}
	for i := range r.Series {
		if c := unmet(r.Series[i].Verdict.Checks); c != nil {
			return unlike(c)
		}
	}
	for _, c := range r.Cells {
		if by := noticedBy(c); by != "" {
			return strings.TrimPrefix(c.Scenario.CellName()+", "+by, ", ")
		}
	}
	return ""
}

// unmet is the first check that was not met, or nil.
func unmet(checks []verdict.Check) *verdict.Check {
	for i := range checks {
		if !checks[i].OK {
			return &checks[i]
		}
	}
	return nil
}

// unlike is what a check expected and observed.
func unlike(c *verdict.Check) string {
	return fmt.Sprintf("%s: expected %s, observed %s", inline(c.Key, maxField), expectation(*c), inline(c.Observed, maxField))
}

// MutantsSummary writes one line about several scenarios' mutations. wall is the
// time that all took.
func MutantsSummary(w io.Writer, all []*Mutants, wall time.Duration) error {
	var ok, mutations, missed, failed int
	for _, m := range all {
		switch {
		case m.OK():
			ok++
		case m.Original == nil || !m.Original.OK() || len(m.Mutated) == 0:
			failed++
		}
		for _, r := range m.Mutated {
			mutations++
			if m.Original != nil && m.Original.OK() && !m.skipped() && !noticed(r) {
				missed++
			}
		}
	}
	_, err := fmt.Fprintf(w, "%s: %d ok; %s", count(len(all), "scenario"), ok, count(mutations, "mutation"))
	if missed > 0 {
		fmt.Fprintf(w, ", %d that nothing notices or that could not run", missed)
	}
	if failed > 0 {
		fmt.Fprintf(w, "; %s without mutations, or not green without them", count(failed, "scenario"))
	}
	fmt.Fprintf(w, " in %s\n", seconds(wall))
	return err
}
