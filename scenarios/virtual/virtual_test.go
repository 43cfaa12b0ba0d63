package virtual_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"testbed/agents"
	"testbed/netem"
	"testbed/scenarios"
	"testbed/scenarios/report"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/scenarios/virtual"
	"testbed/vm/guest"
	"testbed/vm/guesttest"
	"testbed/vm/machine"
)

func TestMain(m *testing.M) {
	guest.Main(virtual.Guest())
	os.Exit(m.Run())
}

// TestVirtualClock runs guests of all kernels at once: nothing that one sees depends on
// the others, nor on a loop that keeps a processor busy while scenarios repeat.
func TestVirtualClock(t *testing.T) {
	for _, name := range guesttest.Names() {
		t.Run("linux-"+name, func(t *testing.T) {
			t.Parallel()
			m := guesttest.Open(t, name)
			t.Run("repeats", func(t *testing.T) {
				defer busy()()
				testRepeats(t, m)
			})
			t.Run("connect-time", func(t *testing.T) { testConnectTime(t, m) })
			t.Run("exec", func(t *testing.T) { testExec(t, m) })
			t.Run("cells", func(t *testing.T) { testCells(t, m) })
		})
	}
}

// repeating counts those who want a processor kept busy.
var repeating atomic.Int64

// busy keeps a processor busy until what it returns is called; those who want it at the
// same time share one loop.
func busy() (rest func()) {
	if repeating.Add(1) == 1 {
		go func() {
			for repeating.Load() > 0 {
			}
		}()
	}
	return func() { repeating.Add(-1) }
}

func decode(t testing.TB, text string) *spec.Scenario {
	t.Helper()
	s, err := spec.Decode("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s.Source = []byte(text)
	return s
}

// chancy is a scenario whose course the seeds decide: of the links' dice, and of
// what the kernel draws.
const chancy = `
name: chancy
nodes: {client: {}, fw: {role: router, firewall: [{name: dice, match: {proto: tcp, dport: 80, probability: 30%}, action: drop}]}, server: {listen: [{port: 80, serve: http}]}}
links:
  - {between: [client, fw], delay: 10ms, jitter: 5ms, loss: 20%}
  - {between: [fw, server], delay: 5ms, reorder: 25%, duplicate: 10%}
steps:
  - {connect: server:80, from: client, timeout: 20s}
  - {connect: server:80, from: client, timeout: 20s}
  - {http: "http://server/", from: client, timeout: 60s}
  - {exec: [sh, -c, "cat /proc/sys/kernel/random/uuid /proc/uptime; echo $$"], from: client}
`

// varied are scenarios that differ in what they use.
func varied(t *testing.T) []*spec.Scenario {
	t.Helper()
	list := []*spec.Scenario{decode(t, chancy)}
	for _, name := range []string{"https-three-rtt.yaml", "burst-loss.yaml", "syn-lost.yaml", "slow/retries2.yaml"} {
		b, err := scenarios.Library.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, decode(t, string(b)))
	}
	return list
}

// evidence is all that a user gets of a run.
func evidence(t *testing.T, results []*verdict.Result) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := report.JSON(&b, results); err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil {
			t.Fatalf("%s: %v", r.Scenario.Name, r.Err)
		}
		if r.Capture == nil || len(r.Capture.File) == 0 {
			t.Fatalf("%s: no capture", r.Scenario.Name)
		}
		capture, err := json.Marshal(r.Capture)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(capture, '\n'))
	}
	return b.Bytes()
}

// testRepeats runs scenarios again and again, side by side with each other, and then each
// of them by itself.
func testRepeats(t *testing.T, m *machine.Machine) {
	const times = 5
	list := varied(t)
	o := virtual.Options{Jobs: 2, Capture: true}
	var first []*verdict.Result
	var want []byte
	for i := range times {
		results := virtual.All(t.Context(), m, list, o)
		got := evidence(t, results)
		if i == 0 {
			first, want = results, got
			continue
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("run %d is unlike the first: %s", i+1, difference(want, got))
		}
	}
	for i, s := range list {
		alone := virtual.All(t.Context(), m, []*spec.Scenario{s}, o)
		a, b := evidence(t, first[i:i+1]), evidence(t, alone)
		if !bytes.Equal(a, b) {
			t.Errorf("%s alone is unlike itself among others: %s", s.Name, difference(a, b))
		}
	}
	other := decode(t, chancy)
	other.Topology.Seed++
	if bytes.Equal(evidence(t, first[:1]), evidence(t, virtual.All(t.Context(), m, []*spec.Scenario{other}, o))) {
		t.Error("another seed changes nothing")
	}
}

// difference says in how many lines two texts differ, and shows the first of them.
func difference(a, b []byte) string {
	const shown = 12
	x, y := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	if len(x) != len(y) {
		return fmt.Sprintf("%d and %d lines", len(x), len(y))
	}
	var list strings.Builder
	n := 0
	for i := range x {
		if x[i] == y[i] {
			continue
		}
		if n++; n <= shown {
			fmt.Fprintf(&list, "\n  line %d: %.200s and %.200s", i+1, strings.TrimSpace(x[i]), strings.TrimSpace(y[i]))
		}
	}
	return fmt.Sprintf("%d of %d lines%s", n, len(x), list.String())
}

// testConnectTime holds what connect_time says against what the links are set to.
func testConnectTime(t *testing.T, m *machine.Machine) {
	const most = 200 * time.Microsecond
	for _, links := range []netem.MediumName{netem.Kernel, netem.Wire} {
		for _, rtt := range []time.Duration{10 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 2 * time.Second} {
			s := decode(t, fmt.Sprintf(`
name: rtt
nodes: {client: {}, server: {listen: [{port: 80, serve: echo}]}}
links: [{between: [client, server], delay: %v}]
steps:
  - {connect: server:80, from: client, timeout: 60s}
  - {connect: server:80, from: client, timeout: 60s}
`, rtt/2))
			r := virtual.Scenario(t.Context(), m, s, virtual.Options{Links: links})
			if r.Err != nil || len(r.Steps) != 2 {
				t.Fatalf("%s, %v: %d steps, error %v", links, rtt, len(r.Steps), r.Err)
			}
			for i, step := range r.Steps {
				o := step.Observation
				if o.Outcome != agents.Connected || o.ConnectTime == nil {
					t.Fatalf("%s, %v, step %d: %v", links, rtt, i+1, o.Outcome)
				}
				if off := (*o.ConnectTime - rtt).Abs(); off > most {
					t.Errorf("%s, step %d: connect_time %v, want %v within %v", links, i+1, *o.ConnectTime, rtt, most)
				} else {
					t.Logf("%s, step %d: connect_time %v at %v", links, i+1, *o.ConnectTime, rtt)
				}
			}
		}
	}
}

// testExec runs this host's programs in a guest.
func testExec(t *testing.T, m *machine.Machine) {
	s := decode(t, `
name: exec
nodes: {client: {}, server: {listen: [{port: 80, serve: echo}]}}
links: [{between: [client, server], delay: 50ms}]
steps:
  - {exec: [sh, -c, "echo one two three | wc -w | tr 3 x"], from: client, expect: {exit: 0, stdout: "/^x$/"}}
  - {exec: [sh, -c, "echo wrong >&2; exit 7"], from: client, expect: {exit: 7, stderr: "/^wrong$/"}}
  - {exec: no-such-program-anywhere, from: client, expect: {exit: 127}}
  - {exec: [sh, -c, no-such-program-anywhere], from: client, expect: {exit: 127}}
  - {exec: [sleep, "3600"], from: client, timeout: 2h, expect: {exit: 0, elapsed: 1h, tolerance: 1s}}
  - {exec: [cat, /etc/hostname, /sys/class/net/eth0/mtu], from: server, expect: {exit: 0, stdout: "server\n1500"}}
`)
	r := virtual.Scenario(t.Context(), m, s, virtual.Options{})
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	for i, step := range r.Steps {
		if !step.Verdict.OK {
			o := step.Observation
			t.Errorf("step %d: %+v, exit %v, stdout %q, stderr %q, %s", i+1, step.Verdict.Checks, o.Exit, o.Stdout, o.Stderr, o.Detail)
		}
	}
}
