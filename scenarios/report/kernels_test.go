package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
)

// skippedResult is a scenario that is for other kernels.
func skippedResult() *verdict.Result {
	r := passedResult()
	r.Scenario.Name, r.Steps, r.Elapsed = "newer", nil, 0
	r.Kernel, r.Skipped = "6.1.0-37-amd64", "it is for kernels >= 6.5, and this one is 6.1.0-37-amd64"
	return r
}

func TestSkippedInEveryReport(t *testing.T) {
	r := skippedResult()
	reports := map[string]string{}
	for name, write := range map[string]func(*bytes.Buffer) error{
		"text":    func(b *bytes.Buffer) error { return Text(b, r, Options{}) },
		"summary": func(b *bytes.Buffer) error { return Summary(b, []*verdict.Result{r, passedResult()}, time.Second) },
		"json":    func(b *bytes.Buffer) error { return JSON(b, []*verdict.Result{r}) },
		"junit":   func(b *bytes.Buffer) error { return JUnit(b, []*verdict.Result{r}) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		reports[name] = b.String()
	}
	if want := "newer  skipped  0s\n  it is for kernels >= 6.5, and this one is 6.1.0-37-amd64\n"; reports["text"] != want {
		t.Errorf("text: %q, want %q", reports["text"], want)
	}
	if want := "2 scenarios: 1 ok, 1 skipped (newer) in 1.0 s\n"; reports["summary"] != want {
		t.Errorf("summary: %q, want %q", reports["summary"], want)
	}
	var d Document
	if err := json.Unmarshal([]byte(reports["json"]), &d); err != nil {
		t.Fatal(err)
	}
	if s := d.Scenarios[0]; !d.OK || !s.OK || s.Kernel != r.Kernel || s.Skipped != r.Skipped || len(s.Steps) != 0 {
		t.Errorf("JSON: %+v", s)
	}
	if x := reports["junit"]; !strings.Contains(x, `tests="1" failures="0" errors="0" skipped="1"`) || !strings.Contains(x, "it is for kernels &gt;= 6.5") {
		t.Errorf("JUnit: %s", x)
	}
}

// TestKernelsInText says which of the expectations for some kernels count.
func TestKernelsInText(t *testing.T) {
	low := spec.Kernels{From: spec.Version{6, 1}, Below: spec.Version{6, 5}, Text: "6.1..6.4"}
	for kernel, want := range map[string]string{
		"6.1.0": "Kernel: 6.1.0, so that what is expected of kernels 6.1..6.4 counts too.", "6.12.1": "Kernel: 6.12.1, for which nothing is expected in addition.",
	} {
		r := passedResult()
		s := &r.Steps[0]
		s.Step.Expect = &spec.Expect{Kernels: []spec.KernelExpect{{Kernels: low, Keys: []string{"handshake"}}}}
		s.Observation.Kernel = kernel
		s.Verdict.Checks[3].Kernels = "6.1..6.4"
		var b strings.Builder
		if err := Text(&b, r, Options{Story: StoryAlways}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), want) || !strings.Contains(b.String(), "SYN, SYN-ACK, ACK [kernels 6.1..6.4]") {
			t.Errorf("%s: %s", kernel, b.String())
		}
	}
}
