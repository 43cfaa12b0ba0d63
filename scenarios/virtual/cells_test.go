package virtual_test

import (
	"bytes"
	"testing"

	"testbed/scenarios/report"
	"testbed/scenarios/run"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/scenarios/virtual"
	"testbed/vm/machine"
)

// sweep is a scenario with two cells, each in two guests, whose steps overlap in
// time. Its first step fails by chance.
const sweep = `
name: sweep
matrix: {loss: [0%, 50%]}
repeat: 12
nodes: {client: {}, server: {listen: [{port: 80, serve: http}, {port: 7, serve: echo}]}}
links: [{between: [client, server], delay: 10ms, loss: "${loss}"}]
steps:
  - {connect: server:80, from: client, timeout: 500ms}
  - parallel:
      - {connect: server:80, from: client, timeout: 2s, expect: {outcomes: {connected: ">= 1%"}}}
      - {http: "http://server/", from: client, timeout: 2s, expect: {outcomes: {connected: ">= 1%"}}}
      - {exec: "cat /proc/sys/kernel/random/uuid", from: client}
      - wait: 1s
`

// testCells holds that each run of each cell is told of, and the same each time,
// however many guests there are at once.
func testCells(t *testing.T, m *machine.Machine) {
	s := decode(t, sweep)
	var want []byte
	for jobs := range 2 {
		ran := 0
		r := virtual.All(t.Context(), m, []*spec.Scenario{s}, virtual.Options{
			Jobs: jobs + 1, Progress: run.Progress{OnRun: func(_ *spec.Scenario, done int) { ran = max(ran, done) }},
		})[0]
		if r.Err != nil || ran != 24 || len(r.Cells) != 2 || !r.Cells[0].OK() || r.Cells[1].OK() {
			t.Fatalf("%d runs, %d cells: %v", ran, len(r.Cells), r.Err)
		}
		for _, c := range r.Cells {
			for _, series := range c.Series {
				if len(series.Samples) != 12 {
					t.Errorf("%s: step %s has %d samples", c.Scenario.CellName(), series.Label, len(series.Samples))
				}
			}
		}
		if told := r.Cells[1]; told.Steps[0].Verdict.OK || len(told.Steps[0].Observation.Journeys) == 0 {
			t.Errorf("repetition %d is told of: %+v", told.Repetition, told.Steps[0].Verdict)
		}
		var b bytes.Buffer
		if err := report.JSON(&b, []*verdict.Result{r}); err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = b.Bytes()
		} else if !bytes.Equal(b.Bytes(), want) {
			t.Errorf("the second time is unlike the first: %s", difference(want, b.Bytes()))
		}
	}
}
