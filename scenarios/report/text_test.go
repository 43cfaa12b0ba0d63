package report

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"testbed/agents"
	"testbed/observe"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

// passedResult is a handshake as expected.
func passedResult() *verdict.Result {
	w := up().handshake(0).acceptTime(150200*time.Microsecond).
		states([]observe.State{observe.SynSent, observe.Established}, []observe.State{observe.SynReceived, observe.Established})
	return result("handshake", w, verdict.Verdict{OK: true, Checks: []verdict.Check{
		{Key: "outcome", Expected: "connected", Observed: "connected", OK: true},
		{Key: "connect_time", Expected: "2 owd = 100ms", Observed: "100.3ms", Tolerance: "±7ms", OK: true},
		{Key: "accept_time", Expected: "3 owd = 150ms", Observed: "150.2ms", Tolerance: "±8ms", OK: true, Note: "from the kernel's tracepoint"},
		{Key: "handshake", Expected: "SYN, SYN-ACK, ACK", Observed: "SYN, SYN-ACK, ACK", OK: true},
	}})
}

// failedResult is a SYN that a firewall dropped, where a connection was
// expected.
func failedResult() *verdict.Result {
	w := newWorld(agents.TimedOut, "ETIMEDOUT", 7170*ms).syns(byRule("fw", "block-web", ""), 0, 1020*ms, 3070*ms).
		rule("fw", "block-web", topo.DropPacket, 3).states([]observe.State{observe.SynSent, observe.Closed}, nil)
	w.obs.Unseen = 2
	return result("firewall", w, verdict.Verdict{Checks: []verdict.Check{
		{Key: "outcome", Expected: "connected", Observed: "timed-out", Note: "expected connected, observed timed-out: the kernel gave up with ETIMEDOUT"},
		{Key: "packets", Expected: "syn 3", Observed: "syn 3", OK: true},
		{Key: "connect_time", Expected: "2 owd = 100ms", Observed: "none", Tolerance: "±7ms", Note: "the client's connection was not established"},
	}})
}

// hostileResult is a command that writes what terminals obey.
func hostileResult() *verdict.Result {
	w := newWorld("", "", 12*ms).kind(verdict.Exec, &spec.Step{Line: 7, Exec: &spec.Exec{From: "client"}})
	w.obs.Title = "exec evil\x1b]0;title\a from client"
	w.obs.Exit, w.obs.Stdout = 1, "\x1b[2Jfirst\nsecond\ttab \u009b31m \u202egnp.exe\r\nlast \x00\xff"
	w.obs.Stderr = strings.Repeat("line\n", 50) + "\x1b[31mred alert"
	return result("hostile\x1b[1m", w, verdict.Verdict{Checks: []verdict.Check{
		{Key: "exit", Expected: "0", Observed: "1"},
		{Key: "stdout", Expected: `"x"`, Observed: "\x1b[2Jfirst\nsecond"},
	}})
}

func brokenResult() *verdict.Result {
	r := passedResult()
	r.Scenario.Name = "broken"
	r.Scenario.Steps = append(r.Scenario.Steps, spec.Step{Line: 30})
	r.Err = fmt.Errorf("build network: %w", errors.New("create node fw: operation not permitted"))
	return r
}

func result(name string, w *world, v verdict.Verdict) *verdict.Result {
	w.step.Line = 20
	return &verdict.Result{
		Scenario: &spec.Scenario{File: "scenarios/x.yaml", Name: name, Summary: "What it is.", Topology: network(), Steps: []spec.Step{*w.step}},
		Began:    began, Elapsed: w.obs.Elapsed + 30*ms,
		Steps: []verdict.StepResult{{Step: w.step, Observation: w.obs, Verdict: v}},
	}
}

func TestText(t *testing.T) {
	var b strings.Builder
	for _, c := range []struct {
		name string
		r    *verdict.Result
		o    Options
	}{
		{"passed", passedResult(), Options{}},
		{"passed, narrow", passedResult(), Options{Width: 60}},
		{"passed, with its story", passedResult(), Options{Story: StoryAlways}},
		{"failed", failedResult(), Options{Width: 80}},
		{"failed, without its story", failedResult(), Options{Story: StoryNever}},
		{"failed, ASCII", failedResult(), Options{ASCII: true}},
		{"hostile", hostileResult(), Options{Width: 80}},
		{"broken", brokenResult(), Options{}},
	} {
		fmt.Fprintf(&b, "== %s\n", c.name)
		var one strings.Builder
		if err := Text(&one, c.r, c.o); err != nil {
			t.Fatal(err)
		}
		checkPlain(t, c.name, one.String(), c.o)
		b.WriteString(withoutDiagram(t, c.r, c.o, one.String()) + "\n")
	}
	golden(t, "testdata/text.txt", b.String())
}

// withoutDiagram puts a mark in place of the ladder diagram, whose drawing is
// not this package's.
func withoutDiagram(t *testing.T, r *verdict.Result, o Options, s string) string {
	t.Helper()
	d := (&text{Options: o, palette: palette{o.Color}, result: r}).diagram(&r.Steps[0])
	if d == "" || !o.tells(r.Steps[0].Verdict.OK) {
		return s
	}
	var block strings.Builder
	for l := range strings.Lines(d) {
		block.WriteString(storyIndent + strings.TrimRight(l, " \n") + "\n")
	}
	if !strings.Contains(s, block.String()) {
		t.Errorf("the diagram is not in the report:\n%s\n%s", block.String(), s)
	}
	return strings.Replace(s, block.String(), storyIndent+"[diagram]\n", 1)
}

// checkPlain holds a text against what every report without colours promises.
func checkPlain(t *testing.T, name, s string, o Options) {
	t.Helper()
	if strings.ContainsFunc(s, isUnprintable) {
		t.Errorf("%s: holds control characters: %q", name, s)
	}
	if o.ASCII && strings.ContainsFunc(s, func(r rune) bool { return r > 0x7e }) {
		t.Errorf("%s: is not ASCII: %q", name, s)
	}
	for l := range strings.SplitSeq(s, "\n") {
		if width(l) > o.width() && strings.Contains(strings.TrimSpace(l), " ") {
			t.Errorf("%s: a line is wider than %d: %q", name, o.width(), l)
		}
	}
}

func TestTextIsDeterministic(t *testing.T) {
	t.Setenv("CLICOLOR_FORCE", "1")
	t.Setenv("COLORTERM", "truecolor")
	var a, b strings.Builder
	if err := errors.Join(Text(&a, failedResult(), Options{}), Text(&b, failedResult(), Options{})); err != nil {
		t.Fatal(err)
	}
	if a.String() != b.String() || strings.Contains(a.String(), "\x1b") {
		t.Errorf("two reports differ or hold escape sequences:\n%q\n%q", a.String(), b.String())
	}
}

func TestColor(t *testing.T) {
	var plain, colored strings.Builder
	if err := errors.Join(Text(&plain, failedResult(), Options{}), Text(&colored, failedResult(), Options{Color: true})); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(colored.String(), "\x1b[31;1mFAILED\x1b[m") {
		t.Errorf("FAILED is not red: %q", colored.String())
	}
	if got := stripSGR(colored.String()); got != plain.String() {
		t.Errorf("colours change the layout:\n%s\n%s", got, plain.String())
	}
}

func stripSGR(s string) string {
	var b strings.Builder
	for s != "" {
		before, after, found := strings.Cut(s, "\x1b[")
		b.WriteString(before)
		if !found {
			break
		}
		_, s, _ = strings.Cut(after, "m")
	}
	return b.String()
}

func TestInterrupted(t *testing.T) {
	r := passedResult()
	r.Err = fmt.Errorf("run step 2: %w", context.Canceled)
	var b strings.Builder
	if err := Text(&b, r, Options{}); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(b.String(), "handshake  INTERRUPTED") {
		t.Errorf("heading is %q", strings.SplitN(b.String(), "\n", 2)[0])
	}
}

func TestSummary(t *testing.T) {
	stopped := passedResult()
	stopped.Err = context.Canceled
	for _, c := range []struct {
		results []*verdict.Result
		wall    time.Duration
		want    string
	}{
		{[]*verdict.Result{passedResult()}, 310 * ms, "1 scenario: 1 ok in 310 ms\n"},
		{[]*verdict.Result{passedResult(), failedResult()}, 8100 * ms, "2 scenarios: 1 ok, 1 failed (firewall) in 8.1 s\n"},
		{[]*verdict.Result{brokenResult(), stopped}, 8100 * ms, "2 scenarios: 0 ok, 1 could not run (broken), 1 interrupted (handshake) in 8.1 s\n"},
	} {
		var b strings.Builder
		if err := Summary(&b, c.results, c.wall); err != nil {
			t.Fatal(err)
		}
		if b.String() != c.want {
			t.Errorf("got  %q\nwant %q", b.String(), c.want)
		}
	}
}

func TestDiagram(t *testing.T) {
	r := failedResult()
	r.Steps[0].Observation.Journeys[0].Fate.Drop.Rule = "evil\x1b[2Jrule"
	for _, o := range []Options{{}, {ASCII: true}, {Color: true}} {
		d := stripSGR((&text{Options: o, palette: palette{o.Color}, result: r}).diagram(&r.Steps[0]))
		for _, want := range []string{"client", "fw", "server", "SYN", `evil\x1b[2Jrule`, "block-web"} {
			if !strings.Contains(d, want) {
				t.Errorf("%+v: no %q in\n%s", o, want, d)
			}
		}
		if strings.ContainsFunc(d, isUnprintable) {
			t.Errorf("%+v: unprintable characters in %q", o, d)
		}
	}
}
