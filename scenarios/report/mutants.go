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

// interrupted tells whether Ctrl-C is all that keeps the scenario from being as it
// should be.
func (m *Mutants) interrupted() bool {
	stopped := false
	for i, r := range append([]*verdict.Result{m.Original}, m.Mutated...) {
		switch {
		case r == nil:
		case isInterrupt(r.Err):
			stopped = true
		case i == 0 && !r.OK(), i > 0 && !noticed(r):
			return false
		}
	}
	return stopped
}

// noticed is how many of the mutations were noticed.
func (m *Mutants) noticed() (n int) {
	for _, r := range m.Mutated {
		if noticed(r) {
			n++
		}
	}
	return n
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
	case m.interrupted():
		state = t.warn("INTERRUPTED")
	case !m.OK():
		state = t.bad("FAILED")
	}
	line := t.strong(inline(m.Scenario.Name, maxField)) + "  " + state
	if all := len(m.Mutated); all > 0 && !m.skipped() {
		line += "  " + t.dim(fmt.Sprintf("%d of %s noticed", m.noticed(), count(all, "mutation")))
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

// MutantsSummary writes one line about several scenarios' mutations: how many scenarios
// are as they should be, and the names of the others. wall is the time that all took.
func MutantsSummary(w io.Writer, all []*Mutants, wall time.Duration) error {
	var ok, mutations, seen int
	var failed, stopped, skipped []string
	for _, m := range all {
		name := inline(m.Scenario.Name, maxField)
		switch {
		case m.skipped():
			skipped = append(skipped, name)
			continue
		case m.OK():
			ok++
		case m.interrupted():
			stopped = append(stopped, name)
		default:
			failed = append(failed, name)
		}
		mutations += len(m.Mutated)
		seen += m.noticed()
	}
	line := fmt.Sprintf("%s: %d ok", count(len(all), "scenario"), ok)
	for _, g := range []struct {
		what  string
		names []string
	}{{"failed", failed}, {"interrupted", stopped}, {"skipped", skipped}} {
		if len(g.names) > 0 {
			line += fmt.Sprintf(", %d %s (%s)", len(g.names), g.what, someNames(g.names))
		}
	}
	_, err := fmt.Fprintf(w, "%s; %d of %s noticed in %s\n", line, seen, count(mutations, "mutation"), seconds(wall))
	return err
}
