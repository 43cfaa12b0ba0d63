package report

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"testbed/agents"
	"testbed/scenarios/verdict"
)

const oldKernel, newKernel = "6.1.0-56-cloud-amd64", "6.12.117+deb12-cloud-amd64"

// onKernels has one scenario's results on the two kernels.
func onKernels(old, new *verdict.Result) []*verdict.Result {
	new.Scenario = old.Scenario
	old.Kernel, new.Kernel = oldKernel, newKernel
	return []*verdict.Result{old, new}
}

// dropped is a SYN that a firewall drops, sent again at these times.
func dropped(elapsed time.Duration, syns ...time.Duration) *verdict.Result {
	w := newWorld(agents.TimedOut, "ETIMEDOUT", elapsed).syns(byRule("fw", "block-web", ""), syns...)
	return result("firewall", w, verdict.Verdict{OK: true})
}

func established(after time.Duration) *verdict.Result {
	w := newWorld(agents.Connected, "", after).handshake(0).connectTime(after)
	return result("handshake", w, verdict.Verdict{OK: true})
}

func broken(err error) *verdict.Result {
	r := established(0)
	r.Steps, r.Err = nil, err
	return r
}

func skipped() *verdict.Result {
	r := broken(nil)
	r.Skipped = "it is for kernels >=6.5"
	return r
}

func allCompared() (all []*verdict.Result) {
	all = append(all, onKernels(dropped(7071*ms, 0, 1023*ms, 3039*ms), dropped(11*time.Second, 0, 1012*ms, 2012*ms, 3012*ms, 4012*ms))...)
	all = append(all, onKernels(established(100*ms), established(100*ms+900*time.Microsecond))...)
	return append(all, onKernels(skipped(), established(100*ms))...)
}

func TestCompare(t *testing.T) {
	var b strings.Builder
	for _, o := range []Options{{Width: 80}, {Width: 120}, {Width: 50}, {Width: 80, ASCII: true}} {
		fmt.Fprintf(&b, "== %d columns, ASCII %t\n", o.Width, o.ASCII)
		var one strings.Builder
		if err := Compare(&one, allCompared(), o); err != nil {
			t.Fatal(err)
		}
		checkPlain(t, "comparison", one.String(), o)
		b.WriteString(one.String() + "\n")
	}
	golden(t, "testdata/compare.txt", b.String())
}

func TestCompareNeedsTwoKernels(t *testing.T) {
	var b strings.Builder
	if err := Compare(&b, allCompared()[:1], Options{}); err != nil || b.Len() > 0 {
		t.Errorf("one kernel's results are compared: %q, %v", b.String(), err)
	}
}

func TestRowDiffers(t *testing.T) {
	refused := result("refused", newWorld(agents.Refused, "ECONNREFUSED", 100*ms).syns(arrives, 0), verdict.Verdict{OK: true})
	unmet := established(100 * ms)
	unmet.Steps[0].Verdict.OK = false
	for _, c := range []struct {
		name   string
		a, b   *verdict.Result
		differ bool
	}{
		{"the same", established(100 * ms), established(100 * ms), false},
		{"a time within the noise", established(100 * ms), established(101 * ms), false},
		{"a time beyond the noise", established(100 * ms), established(101*ms + 1), true},
		{"a packet more", dropped(7*time.Second, 0), dropped(7*time.Second, 0, time.Second), true},
		{"another outcome", established(100 * ms), refused, true},
		{"another verdict", established(100 * ms), unmet, true},
		{"could not run", broken(errors.New("no netem")), established(100 * ms), true},
		{"could run on neither", broken(errors.New("no netem")), broken(errors.New("no netem")), false},
		{"interrupted", established(100 * ms), broken(context.Canceled), true},
		{"skipped", skipped(), established(100 * ms), false},
	} {
		rows, differ := newComparison(onKernels(c.a, c.b)).tally()
		if rows != 1 || (differ == 1) != c.differ {
			t.Errorf("%s: %d of %d rows differ, want %t", c.name, differ, rows, c.differ)
		}
	}
}

func TestShortReleases(t *testing.T) {
	for _, c := range []struct{ in, want []string }{
		{[]string{oldKernel, newKernel}, []string{"6.1.0-56", "6.12.117+deb12"}},
		{[]string{"6.1.0-56-cloud-amd64", "6.1.0-57-amd64"}, []string{"6.1.0-56-cloud", "6.1.0-57"}},
		{[]string{"6.18.5", "6.12.1-amd64"}, []string{"6.18.5", "6.12.1-amd64"}},
		{[]string{"-amd64", "6-amd64"}, []string{"-amd64", "6-amd64"}},
	} {
		if got := shortReleases(c.in); strings.Join(got, " ") != strings.Join(c.want, " ") {
			t.Errorf("%q becomes %q, want %q", c.in, got, c.want)
		}
	}
}

// TestKernelsInReports holds that machines can tell two kernels' results apart,
// and that one kernel's have their old names.
func TestKernelsInReports(t *testing.T) {
	var b bytes.Buffer
	if err := JUnit(&b, allCompared()); err != nil {
		t.Fatal(err)
	}
	var suites junitSuites
	if err := xml.Unmarshal(b.Bytes(), &suites); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, s := range suites.Suites {
		for _, c := range s.Cases {
			id := c.ClassName + "/" + c.Name + "/" + s.File
			if seen[id] && c.ClassName == "firewall" {
				t.Errorf("two cases are %s", id)
			}
			seen[id] = true
		}
	}
	if want := "firewall (Linux " + oldKernel + ")"; suites.Suites[0].Name != want {
		t.Errorf("the suite is %s, want %s", suites.Suites[0].Name, want)
	}
	b.Reset()
	if err := JUnit(&b, allCompared()[:1]); err != nil || strings.Contains(b.String(), "Linux") {
		t.Errorf("one kernel's names hold the kernel: %v\n%s", err, b.String())
	}
	b.Reset()
	if err := JSON(&b, allCompared()); err != nil {
		t.Fatal(err)
	}
	var d Document
	if err := json.Unmarshal(b.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	if d.Scenarios[0].Kernel != oldKernel || d.Scenarios[1].Kernel != newKernel {
		t.Errorf("kernels %s and %s", d.Scenarios[0].Kernel, d.Scenarios[1].Kernel)
	}
}

func TestSummaryOfKernels(t *testing.T) {
	all := allCompared()
	all[1].Steps[0].Verdict.OK = false
	var b strings.Builder
	if err := Summary(&b, all, 2*time.Second); err != nil {
		t.Fatal(err)
	}
	want := "6 runs of 3 scenarios on 2 kernels: 4 ok, 1 failed (firewall on 6.12.117+deb12), 1 skipped (handshake on 6.1.0-56) in 2.0 s\n"
	if b.String() != want {
		t.Errorf("got  %swant %s", b.String(), want)
	}
}
