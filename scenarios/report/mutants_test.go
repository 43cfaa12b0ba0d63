package report

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
)

// mutants is a scenario with these results; the first is of it as it is.
func mutants(results ...*verdict.Result) *Mutants {
	m := &Mutants{Scenario: &spec.Scenario{Name: "web", File: "web.yaml"}, Original: results[0], Mutated: results[1:]}
	for range m.Mutated {
		m.Scenario.Mutations = append(m.Scenario.Mutations, spec.Set{Text: "node fw: firewall with 0 rules"})
	}
	return m
}

// inParallel is a result whose one step is performed in a parallel step.
func inParallel(r *verdict.Result) *verdict.Result {
	inner := r.Steps[0]
	return &verdict.Result{Steps: []verdict.StepResult{{
		Observation: &verdict.Observation{Kind: verdict.Parallel, Parallel: []*verdict.Observation{inner.Observation}},
		Verdict:     verdict.Verdict{Parallel: []verdict.Verdict{inner.Verdict}},
	}}}
}

func TestMutants(t *testing.T) {
	green, red, broke := &verdict.Result{}, dropped(7*time.Second, 0), &verdict.Result{Err: errors.New("no memory")}
	red.Steps[0].Verdict = verdict.Verdict{Checks: []verdict.Check{{Key: "outcome", Expected: "connected", Observed: "timed-out"}}}
	for _, c := range []struct {
		name string
		m    *Mutants
		ok   bool
		want string
	}{
		{"noticed", mutants(green, red), true, "step 0, outcome: expected connected, observed timed-out"},
		{"noticed in a parallel step", mutants(green, inParallel(red)), true, "step 0.1, outcome: expected connected, observed timed-out"},
		{"not noticed", mutants(green, red, green), false, "no expectation notices it"},
		{"could not run", mutants(green, broke), false, "could not run: no memory"},
		{"without mutations", mutants(green), false, "It names no mutation"},
		{"red anyway", mutants(red, red), false, "It fails without any mutation: testbed run web.yaml"},
		{"could not run at all", mutants(broke, red), false, "no memory"},
		{"interrupted", mutants(&verdict.Result{Err: context.Canceled}, red), false, "web  INTERRUPTED"},
		{"interrupted in a mutant", mutants(green, &verdict.Result{Err: context.Canceled}, red), false, "web  INTERRUPTED"},
		{"interrupted, and not noticed before", mutants(green, &verdict.Result{Err: context.Canceled}, green), false, "web  FAILED"},
		{"skipped", mutants(&verdict.Result{Skipped: "for Linux >= 6.5"}, green), true, "for Linux >= 6.5"},
	} {
		var b strings.Builder
		if err := MutantsText(&b, c.m, Options{}); err != nil {
			t.Fatal(err)
		}
		if c.m.OK() != c.ok || !strings.Contains(b.String(), c.want) {
			t.Errorf("%s: %t, expected %t with %q:\n%s", c.name, c.m.OK(), c.ok, c.want, b.String())
		}
	}
}

func TestMutantsSummary(t *testing.T) {
	green, red, stopped := &verdict.Result{}, dropped(7*time.Second, 0), &verdict.Result{Err: context.Canceled}
	red.Steps[0].Verdict = verdict.Verdict{}
	var b strings.Builder
	if err := MutantsSummary(&b, []*Mutants{mutants(green, red), mutants(green, green, red), mutants(green), mutants(stopped, red), mutants(&verdict.Result{Skipped: "for Linux >= 6.5"}, green)}, 3*time.Second); err != nil {
		t.Fatal(err)
	}
	if want := "5 scenarios: 1 ok, 2 failed (web, web), 1 interrupted (web), 1 skipped (web); 3 of 4 mutations noticed in 3.0 s\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}
