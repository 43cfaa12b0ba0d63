package spec

import (
	"testing"
	"time"
)

// Each mutation is a change of the network as it is declared, whatever the others
// are, and the steps begin with what is declared.
func TestMutations(t *testing.T) {
	sc := mustDecode(t, `name: a
nodes: {a: {}, b: {listen: [{port: 7, serve: echo}]}}
links: [{between: [a, b], delay: 10ms}]
mutations:
  - {link: [a, b], loss: 100%}
  - {link: [a, b], delay: 20ms}
  - {node: b, listen: []}
steps:
  - {connect: "b:7", from: a}
  - set: {link: [a, b], jitter: 1ms}
`)
	if len(sc.Mutations) != 3 {
		t.Fatalf("%d mutations", len(sc.Mutations))
	}
	if first, second := sc.Mutations[0].Toward[0], sc.Mutations[1].Toward[0]; first.Delay != 10*time.Millisecond || first.Loss != 1 || second.Delay != 20*time.Millisecond || second.Loss != 0 {
		t.Errorf("the first mutation makes the link %+v, the second %+v", first, second)
	}
	if i := sc.Steps[1].Set.Toward[0]; i.Delay != 10*time.Millisecond || i.Loss != 0 {
		t.Errorf("the mutations reach the steps: %+v", i)
	}
	m := sc.Mutated(2)
	if m.Mutation != 3 || len(m.Steps) != 3 || m.Steps[0].Set.Node != "b" || m.Steps[1].Connect == nil {
		t.Errorf("mutated to %+v", m)
	}
	if len(sc.Steps) != 2 || sc.Mutation != 0 {
		t.Errorf("the scenario itself became %+v", sc)
	}
}
