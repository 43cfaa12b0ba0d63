package run_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"testbed/agents"
	"testbed/netem"
	"testbed/scenarios/run"
	"testbed/scenarios/spec"
	"testbed/topo"
)

// pair is client – server with an echo server on port 80 and half of an RTT of
// delay each way.
func pair(rtt time.Duration) *topo.Topology {
	half := netem.Impairment{Delay: rtt / 2}
	return &topo.Topology{
		Seed:  1,
		Nodes: []topo.Node{{Name: "client", Role: topo.Host}, {Name: "server", Role: topo.Host, Listen: []topo.Listener{{Port: 80, Serve: topo.ServeEcho}}}},
		Links: []topo.Link{{Ends: [2]string{"client", "server"}, Toward: [2]netem.Impairment{half, half}}},
	}
}

// BenchmarkConnectTimeError reports by how much connect_time differs from one
// RTT, and for comparison by how much the agent's own clock does.
//
//	go test ./scenarios/run -run '^$' -bench ConnectTimeError -benchtime 300x
func BenchmarkConnectTimeError(b *testing.B) {
	for _, rtt := range []time.Duration{10 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond} {
		b.Run(fmt.Sprintf("rtt=%v", rtt), func(b *testing.B) {
			lab, err := run.Open(context.Background(), pair(rtt))
			if err != nil {
				b.Fatal(err)
			}
			defer lab.Close()
			connect := spec.Connect{From: "client", Target: spec.Target{Host: "server", Port: 80}}
			var errs, calls []float64
			for b.Loop() {
				o, err := lab.Connect(context.Background(), connect)
				if err != nil || o.Outcome != agents.Connected {
					b.Fatal(err, o)
				}
				errs = append(errs, math.Abs(float64(*o.ConnectTime-rtt)/float64(time.Microsecond)))
				calls = append(calls, math.Abs(float64(*o.CallTime-rtt)/float64(time.Microsecond)))
			}
			slices.Sort(errs)
			slices.Sort(calls)
			b.ReportMetric(calls[len(calls)/2], "µs-median-call")
			b.ReportMetric(calls[len(calls)*99/100], "µs-p99-call")
			b.ReportMetric(errs[len(errs)/2], "µs-median")
			b.ReportMetric(errs[len(errs)*99/100], "µs-p99")
			b.ReportMetric(errs[len(errs)-1], "µs-max")
		})
	}
}

// BenchmarkProcess runs the built command on a scenario of two nodes without
// delay, from its start to its exit.
//
//	go test ./scenarios/run -run '^$' -bench Process -benchtime 50x
func BenchmarkProcess(b *testing.B) {
	dir := b.TempDir()
	binary, file := filepath.Join(dir, "testbed"), filepath.Join(dir, "zero.yaml")
	build := exec.Command("go", "build", "-o", binary, "testbed/cmd/testbed")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	const scenario = "name: zero\nnodes: {client: {}, server: {listen: [{port: 80, serve: echo}]}}\nlinks: [{between: [client, server]}]\nsteps: [{connect: \"server:80\", from: client}]\n"
	if err := os.WriteFile(file, []byte(scenario), 0o644); err != nil {
		b.Fatal(err)
	}
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		if out, err := exec.Command(binary, "run", file).CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-median")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
}
