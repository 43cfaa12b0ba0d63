package report

import (
	"bytes"
	"strings"
	"testing"

	"testbed/agents"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
)

// beside is a parallel step of an attempt that connects and one that is refused.
func beside() *verdict.Result {
	first, second := newWorld(agents.Connected, "", 100*ms), newWorld(agents.Refused, "ECONNREFUSED", 100*ms)
	second.obs.Title = "connect server:81 from client"
	second.obs.RulesShared = true
	step := &spec.Step{Line: 9, Parallel: &spec.Parallel{Steps: []spec.Step{*first.step, *second.step}}}
	o := &verdict.Observation{Step: 3, Kind: verdict.Parallel, Title: "2 steps in parallel", Began: began, Elapsed: 101 * ms, Parallel: []*verdict.Observation{first.obs, second.obs}}
	return &verdict.Result{
		Scenario: &spec.Scenario{Name: "beside", File: "beside.yaml", Steps: []spec.Step{*step}},
		Steps:    []verdict.StepResult{{Step: step, Observation: o, Verdict: verdict.Judge(step, o)}},
	}
}

func TestParallelStepsAreNested(t *testing.T) {
	r := beside()
	var b bytes.Buffer
	if err := Text(&b, r, Options{Story: StoryNever}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"  ✗ 2 steps in parallel", "\n    ✓ connect server:80 from client", "\n    ✗ connect server:81 from client"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in:\n%s", want, b.String())
		}
	}
	d := NewDocument([]*verdict.Result{r}).Scenarios[0].Steps[0]
	if d.OK || d.Kind != "parallel" || len(d.Parallel) != 2 || !d.Parallel[0].OK || d.Parallel[1].OK || d.Parallel[1].Outcome != "refused" || !d.Parallel[1].RulesShared {
		t.Errorf("%+v", d)
	}
	b.Reset()
	if err := JUnit(&b, []*verdict.Result{r}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`tests="2" failures="1"`, `name="3.1: connect server:80 from client"`, `name="3.2: connect server:81 from client"`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in:\n%s", want, b.String())
		}
	}
}

// Kernels are compared step by step, those of a parallel step one by one.
func TestCompareParallelSteps(t *testing.T) {
	one, other := beside(), beside()
	one.Kernel, other.Kernel = "6.1.0", "6.12.0"
	other.Scenario = one.Scenario
	other.Steps[0].Observation.Parallel[1].Outcome = agents.Connected
	c := newComparison([]*verdict.Result{one, other})
	if len(c.groups) != 1 || len(c.groups[0].rows) != 2 || c.groups[0].rows[0].differs || !c.groups[0].rows[1].differs {
		t.Errorf("%+v", c.groups)
	}
}

func TestExploreParallelSteps(t *testing.T) {
	e := &Exploration{Planned: 1}
	e.Add(0, 1, beside())
	all := e.Shares()
	if len(all) != 2 || all[0].Step != 3 || all[0].Branch != 1 || all[0].Failed != 0 || all[1].Branch != 2 || all[1].Outcomes[0].Outcome != "refused" || all[1].Failed != 1 {
		t.Errorf("%+v", all)
	}
}
