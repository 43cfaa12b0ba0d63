package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
)

// explored has 40 seeds, from 1 on: every tenth times out, and every fifth of the
// others is late. They come in the order that is given.
func explored(order []int) *Exploration {
	e := &Exploration{
		Scenario: &spec.Scenario{Name: "lossy", File: "lossy.yaml"}, Kernel: newKernel, Links: "auto", Seeds: "1..40", Planned: 40,
		Command: [2]string{"testbed run --clock=virtual --kernel " + newKernel, "lossy.yaml"},
	}
	for _, i := range order {
		var r *verdict.Result
		switch seed := i + 1; {
		case seed%10 == 0:
			r = dropped(7071*ms, 0, 1023*ms, 3039*ms)
			r.Steps[0].Verdict = verdict.Verdict{Checks: []verdict.Check{{Key: "outcome"}, {Key: "connect_time"}}}
		case seed%5 == 0:
			r = established(1100 * ms)
			r.Steps[0].Verdict = verdict.Verdict{Checks: []verdict.Check{{Key: "outcome", OK: true}, {Key: "connect_time"}}}
		default:
			r = established(100*ms + time.Duration(seed)*time.Microsecond)
		}
		e.Add(i, uint64(i+1), r)
	}
	return e
}

func ascending(n int) (order []int) {
	for i := range n {
		order = append(order, i)
	}
	return order
}

func TestExplorationText(t *testing.T) {
	stopped := explored(ascending(4))
	stopped.Interrupted = true
	brokenSeed := explored(ascending(3))
	brokenSeed.Add(3, 4, broken(errors.New("the guest was not done after 5m0s")))
	nothing := explored(nil)
	nothing.Interrupted = true
	var b strings.Builder
	for _, c := range []struct {
		name string
		e    *Exploration
		o    Options
	}{
		{"failures", explored(ascending(40)), Options{Width: 80}},
		{"failures, ASCII", explored(ascending(40)), Options{Width: 120, ASCII: true}},
		{"interrupted", stopped, Options{Width: 80}},
		{"interrupted at once", nothing, Options{Width: 80}},
		{"broken", brokenSeed, Options{Width: 80}},
	} {
		var one strings.Builder
		if err := ExplorationText(&one, c.e, 12*time.Second, c.o); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "== %s\n%s\n", c.name, one.String())
	}
	golden(t, "testdata/explore.txt", b.String())
}

// TestExplorationOrder holds that the order in which seeds end is not in a report.
func TestExplorationOrder(t *testing.T) {
	backwards := ascending(40)
	slices.Reverse(backwards)
	var a, b bytes.Buffer
	if err := errors.Join(ExplorationJSON(&a, explored(ascending(40))), ExplorationJSON(&b, explored(backwards))); err != nil {
		t.Fatal(err)
	}
	if a.String() != b.String() {
		t.Error("the order in which seeds end changes the report")
	}
	var d ExplorationDocument
	if err := json.Unmarshal(a.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	if want := []uint64{5, 10, 15, 20, 25, 30, 35, 40}; !reflect.DeepEqual(d.FailedSeeds, want) || d.OK || d.Done != 40 {
		t.Errorf("failed seeds %v of %d, want %v", d.FailedSeeds, d.Done, want)
	}
}

func TestExplorationCut(t *testing.T) {
	e := explored([]int{9, 3, 4, 0, 1, 2, 5})
	e.Cut()
	if e.Done() != 5 || e.Failed() != 1 || e.FirstFailure().Seed != 5 {
		t.Errorf("%d seeds, %d failed", e.Done(), e.Failed())
	}
}

func TestNewSpread(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(100-i))
	}
	for _, c := range []struct {
		in   []time.Duration
		want Spread
	}{
		{[]time.Duration{7}, Spread{"k", 7, 7, 7, 7}},
		{[]time.Duration{9, 1}, Spread{"k", 1, 1, 9, 9}},
		{[]time.Duration{3, 1, 2}, Spread{"k", 1, 2, 3, 3}},
		{hundred, Spread{"k", 1, 50, 95, 100}},
	} {
		if got := newSpread("k", c.in); got != c.want {
			t.Errorf("%v: %v, want %v", c.in, got, c.want)
		}
	}
}

func TestPercent(t *testing.T) {
	for _, c := range []struct {
		n, of int
		want  string
	}{{466, 500, "93.2%"}, {1, 1, "100%"}, {1, 100000, "<0.1%"}, {99999, 100000, ">99.9%"}} {
		if got := percent(c.n, c.of); got != c.want {
			t.Errorf("%d of %d: %s, want %s", c.n, c.of, got, c.want)
		}
	}
}
