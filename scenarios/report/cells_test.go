package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"testbed/agents"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
)

// swept is a scenario of two cells with four runs each, of which the second cell has
// one that is refused.
func swept() *verdict.Result {
	s := &spec.Scenario{Name: "swept", File: "swept.yaml", Repeat: 4}
	for _, value := range []string{"0%", "5%"} {
		step := *newWorld(agents.Connected, "", 0).step
		step.Expect = &spec.Expect{P95: []spec.TimeOfAll{{Key: "connect_time", Duration: spec.Duration{Bound: spec.AtMost, Term: spec.Term{Value: 100e6, Text: "100ms"}, Text: "<= 100ms"}}}}
		s.Cells = append(s.Cells, &spec.Scenario{Name: s.Name, File: s.File, Cell: []spec.Assignment{{Name: "loss", Value: value}}, Steps: []spec.Step{step}})
	}
	c := verdict.NewCells(s)
	for i, one := range s.Cells {
		for k := range 4 {
			w := newWorld(agents.Connected, "", time.Duration(10*(k+1))*ms)
			if i == 1 && k == 2 {
				w = newWorld(agents.Refused, "ECONNREFUSED", 200*ms)
			}
			w.obs.ConnectTime = &w.obs.Elapsed
			c.Add(i, k, &verdict.Result{Scenario: one, Began: began, Elapsed: w.obs.Elapsed, Kernel: "6.12.0", Steps: []verdict.StepResult{
				{Step: &one.Steps[0], Observation: w.obs, Verdict: verdict.Judge(&one.Steps[0], w.obs)},
			}})
		}
	}
	return c.Result()
}

func TestCellsAreATable(t *testing.T) {
	var b bytes.Buffer
	if err := Text(&b, swept(), Options{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"swept  FAILED  200ms, 2 cells ×4\n  ✗ connect server:80 from client\n",
		"      loss  runs  outcomes                    time          p50   p95    max\n",
		"    ✓ 0%    4     connected 100%              connect_time  20ms  40ms   40ms\n",
		"    ✗ 5%    4     connected 75%, refused 25%  connect_time  20ms  200ms  200ms\n",
		"\n  loss=5%  FAILED\n      ✗ p95: expected connect_time <= 100ms, observed 200ms: late by 100ms\n",
		"  Repetition 3 of 4, the first that is not as expected:\n",
		"\n  This run alone: testbed run --cell loss=5% --repeat 1 --seed 9808872670446444799 swept.yaml\n",
		"  ✗ connect server:80 from client   200ms\n      ✗ outcome: expected connected, observed refused",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "loss=0%") {
		t.Errorf("a cell that is as expected is told of:\n%s", b.String())
	}
}

func TestCellsInDocuments(t *testing.T) {
	r := swept()
	d := NewDocument([]*verdict.Result{r}).Scenarios[0]
	if d.OK || len(d.Steps) != 0 || len(d.Cells) != 2 || !d.Cells[0].OK || d.Cells[0].Parameters["loss"] != "0%" {
		t.Fatalf("%+v", d)
	}
	c := d.Cells[1]
	s := c.Series[0]
	if c.OK || c.Repetition != 3 || len(c.Steps) != 1 || c.Steps[0].Outcome != "refused" || s.Count != 4 || s.Failed != 1 || len(s.Samples) != 4 {
		t.Errorf("%+v", c)
	}
	if s.Outcomes[1] != (OutcomeDocument{"refused", 1, 0.25}) || s.Times[0] != (StatisticsDocument{"connect_time", 4, 1e7, 2e7, 2e8, 2e8}) || len(s.Checks) != 1 || s.Checks[0].OK {
		t.Errorf("%+v", s)
	}
	var b bytes.Buffer
	if err := JUnit(&b, []*verdict.Result{r}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`tests="2" failures="1"`, `<testsuite name="swept [loss=0%]"`, `classname="swept [loss=5%]"`, "p95: expected connect_time &lt;= 100ms"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in:\n%s", want, b.String())
		}
	}
}

func TestCompareCells(t *testing.T) {
	one, other := swept(), swept()
	other.Scenario, other.Kernel = one.Scenario, "6.1.0"
	other.Cells[1].Series[0].Samples[0].Outcome = agents.TimedOut
	c := newComparison([]*verdict.Result{one, other})
	if len(c.groups) != 1 || len(c.groups[0].rows) != 2 || c.groups[0].rows[0].differs || !c.groups[0].rows[1].differs || c.groups[0].rows[1].title != "connect server:80 from client [loss=5%]" {
		t.Errorf("%+v", c.groups)
	}
}

func TestExploreCells(t *testing.T) {
	e := &Exploration{Planned: 2}
	e.Add(0, 1, swept())
	e.Add(1, 2, swept())
	all := e.Shares()
	if len(all) != 2 || all[0].Cell != "loss=0%" || all[0].Seeds != 8 || all[0].Failed != 0 || all[1].Failed != 2 || all[1].Outcomes[1].Count != 2 {
		t.Errorf("%+v", all)
	}
}

// A step that is performed several times in a row is told of in one line.
func TestStepInARow(t *testing.T) {
	step := newWorld(agents.Connected, "", 0).step
	step.Repeat = 3
	var all []*verdict.Observation
	for _, outcome := range []agents.Outcome{agents.Connected, agents.TimedOut, agents.Connected} {
		w := newWorld(outcome, "", 10*ms)
		all = append(all, w.obs)
	}
	o := verdict.Repeat(step, all)
	o.Step = 1
	r := &verdict.Result{Scenario: &spec.Scenario{Name: "row", Steps: []spec.Step{*step}}, Steps: []verdict.StepResult{{Step: step, Observation: o, Verdict: verdict.Judge(step, o)}}}
	var b bytes.Buffer
	if err := Text(&b, r, Options{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"✗ connect server:80 from client ×3   connected 66.7%, timed-out 33.3%", "✗ repeat: expected 3 repetitions", "Repetition 2 of 3, the first that is not as expected:"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in:\n%s", want, b.String())
		}
	}
	d := NewDocument([]*verdict.Result{r}).Scenarios[0].Steps[0]
	if d.Repetition != 2 || d.Series == nil || d.Series.Count != 3 || d.Series.Failed != 1 || d.Series.OK {
		t.Errorf("%+v", d.Series)
	}
	e := &Exploration{}
	e.Add(0, 1, r)
	if s := e.Shares(); len(s) != 1 || s[0].Seeds != 3 || s[0].Failed != 1 {
		t.Errorf("%+v", s)
	}
}

// A mutation that only one cell notices is told with that cell, one that only all
// runs together show with what they were to be.
func TestMutantsOfCells(t *testing.T) {
	r := swept()
	if by := noticedBy(r); !strings.HasPrefix(by, "loss=5%, step 0, outcome: expected connected, observed refused") {
		t.Errorf("noticed by %q", by)
	}
	r.Cells[1].Steps = r.Cells[0].Steps
	if by := noticedBy(r); by != "loss=5%, p95: expected connect_time <= 100ms, observed connect_time 200ms" {
		t.Errorf("noticed by %q", by)
	}
}
