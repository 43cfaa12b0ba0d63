package spec

import (
	"slices"
	"testing"
	"time"

	"testbed/topo"
)

// The values of a cell stand where its parameters do, as what their place takes.
func TestCellsAreScenarios(t *testing.T) {
	sc := mustDecode(t, `name: a
matrix:
  delay: [10ms, 50ms]
  port: [80, "81"]
  tls: [1.2, "1.3"]
repeat: 3
seed: 7
nodes: {a: {}, b: {listen: [{port: "${port}", serve: https, tls: "${tls}"}]}}
links: [{between: [a, b], delay: "${delay}"}]
mutations:
  - {link: [a, b], loss: 100%}
steps:
  - {connect: "b:${port}", from: a, timeout: "1${port}s", expect: {connect_time: ">= ${delay}"}}
  - {exec: "echo $${HOME} ${port}", from: a}
`)
	if len(sc.Cells) != 8 || sc.Runs() != 24 || !sc.Repeated() {
		t.Fatalf("%d cells, %d runs", len(sc.Cells), sc.Runs())
	}
	var names []string
	for _, c := range sc.Cells {
		names = append(names, c.CellName())
	}
	if names[1] != "delay=10ms, port=80, tls=1.3" || names[2] != "delay=10ms, port=81, tls=1.2" || names[7] != "delay=50ms, port=81, tls=1.3" {
		t.Errorf("the last parameter does not vary fastest: %q", names)
	}
	last := sc.Cells[7]
	if l := last.Topology.Nodes[1].Listen[0]; l.Port != 81 || l.TLS != "1.3" {
		t.Errorf("listens: %+v", l)
	}
	if d := last.Topology.Links[0].Toward[0].Delay; d != 50*time.Millisecond {
		t.Errorf("delay %v", d)
	}
	if c := last.Steps[0].Connect; c.Target.Port != 81 || c.Timeout != 181*time.Second || last.Steps[0].Expect.ConnectTime.Text != ">= 50ms" {
		t.Errorf("%+v, %+v", c, last.Steps[0].Expect.ConnectTime)
	}
	if text := last.Steps[1].Exec.Text; text != "echo ${HOME} 81" {
		t.Errorf("exec %q", text)
	}
	if sc.Topology.Links[0].Toward != sc.Cells[0].Topology.Links[0].Toward || sc.Cell != nil {
		t.Error("the whole is not like the first cell")
	}
	m := sc.Mutated(0)
	if len(m.Cells) != 8 || m.Cells[7].Steps[0].Set == nil || m.Cells[7].Steps[0].Set.Toward[0].Delay != 50*time.Millisecond {
		t.Errorf("the last cell mutated begins with %+v", m.Cells[7].Steps[0].Set)
	}
}

// Each run has a seed of its own that follows from the scenario's, the first run that
// one itself.
func TestRunsHaveSeeds(t *testing.T) {
	sc := mustDecode(t, `name: a
matrix: {delay: [10ms, 50ms]}
repeat: 3
nodes: {a: {}, b: {}}
links: [{between: [a, b], delay: "${delay}"}]
steps: [{wait: 1s}]
`)
	sc.Reseed(9)
	var seeds []uint64
	for k := range 3 {
		one := sc.Run(1, k)
		if one.Repeated() || one.CellName() != "delay=50ms" {
			t.Errorf("run %d is of the cell %q", k, one.CellName())
		}
		seeds = append(seeds, one.Topology.Seed)
	}
	slices.Sort(seeds)
	if len(slices.Compact(seeds)) != 3 || !slices.Contains(seeds, 9) || sc.Run(0, 2).Topology.Seed != RepetitionSeed(9, 2) {
		t.Errorf("seeds %v", seeds)
	}
}

// Without a matrix, ${…} in a text is a part of it.
func TestNoParametersWithoutAMatrix(t *testing.T) {
	sc := mustDecode(t, `name: a
nodes: {a: {listen: [{port: 21, serve: banner, banner: "${x}"}]}}
steps: [{exec: "echo ${HOME} $${x}", from: a, expect: {stdout: "/${HOME}/"}}]
`)
	if text := sc.Steps[0].Exec.Text; text != "echo ${HOME} $${x}" || sc.Topology.Nodes[0].Listen[0] != (topo.Listener{Port: 21, Serve: topo.ServeBanner, Banner: "${x}"}) {
		t.Errorf("exec %q, listens %+v", text, sc.Topology.Nodes[0].Listen)
	}
}

func TestOnlySomeCells(t *testing.T) {
	sc := mustDecode(t, `name: a
matrix: {delay: [10ms, 50ms], loss: [0%, 5%]}
repeat: 3
nodes: {a: {}, b: {}}
links: [{between: [a, b], delay: "${delay}", loss: "${loss}"}]
steps: [{wait: 1s}]
`)
	some, err := sc.Only([]Assignment{{"loss", "5%"}}, 0)
	if err != nil || len(some.Cells) != 2 || some.Runs() != 6 || some.Cells[1].Number != 3 || some.Topology.Links[0].Toward[0].Loss != 0.05 {
		t.Errorf("%+v, %v", some, err)
	}
	one, err := sc.Only([]Assignment{{"loss", "5%"}, {"delay", "50ms"}}, 1)
	if err != nil || one.Repeated() || one.Number != 3 || one.CellName() != "delay=50ms, loss=5%" || one.Topology.Seed != sc.Topology.Seed {
		t.Errorf("%+v, %v", one, err)
	}
	if all, err := sc.Only(nil, 5); err != nil || all.Runs() != 20 {
		t.Errorf("%+v, %v", all, err)
	}
	for _, wrong := range []Assignment{{"los", "5%"}, {"loss", "6%"}} {
		if got, err := sc.Only([]Assignment{wrong}, 0); err == nil {
			t.Errorf("%v: %+v", wrong, got)
		}
	}
}
