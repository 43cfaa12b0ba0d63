package virtual_test

import (
	"testing"

	"testbed/scenarios/virtual"
	"testbed/vm/guesttest"
)

// BenchmarkScenario reports what a scenario costs on the host's clock: a connect
// over a link without delay, in a guest that goes on from its snapshot.
//
//	go test ./scenarios/virtual -run '^$' -bench Scenario -benchtime 20x
func BenchmarkScenario(b *testing.B) {
	for _, name := range guesttest.Names() {
		b.Run("linux-"+name, func(b *testing.B) {
			m := guesttest.Open(b, name)
			s := decode(b, `
name: connect
nodes: {client: {}, server: {listen: [{port: 80, serve: echo}]}}
links: [{between: [client, server]}]
steps: [{connect: server:80, from: client}]
`)
			for b.Loop() {
				if r := virtual.Scenario(b.Context(), m, s, virtual.Options{}); !r.OK() {
					b.Fatal(r.Err)
				}
			}
		})
	}
}
