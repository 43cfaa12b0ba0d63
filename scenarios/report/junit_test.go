package report

import (
	"bytes"
	"encoding/xml"
	"strings"
	"testing"
)

func TestJUnit(t *testing.T) {
	var b bytes.Buffer
	if err := JUnit(&b, allResults()); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(b.String(), xml.Header) {
		t.Errorf("no XML declaration: %.60q", b.String())
	}
	if strings.ContainsFunc(b.String(), func(r rune) bool { return r != '\t' && isUnprintable(r) }) {
		t.Error("the file holds unprintable characters")
	}
	var got junitSuites
	if err := xml.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Tests != 7 || got.Failures != 2 || got.Errors != 1 || len(got.Suites) != 5 {
		t.Fatalf("%d tests, %d failures, %d errors in %d suites", got.Tests, got.Failures, got.Errors, len(got.Suites))
	}
	failed := got.Suites[1].Cases[0]
	if failed.Name != "1: connect server:80 from client" || failed.Time != "7.170" || failed.Line != 20 || failed.Failure == nil {
		t.Fatalf("the failed case is %+v", failed)
	}
	if want := "outcome: expected connected, observed timed-out; connect_time: expected 2 owd = 100ms ±7ms, observed none"; failed.Failure.Message != want {
		t.Errorf("message %q, want %q", failed.Failure.Message, want)
	}
	if !strings.Contains(failed.Failure.Text, "dropped by rule block-web at fw") {
		t.Errorf("no story in %q", failed.Failure.Text)
	}
	if out := got.Suites[3].Cases[0].Stdout.Text; !strings.Contains(out, `\x1b[2Jfirst`) || !strings.Contains(out, `last \x00\xff`) {
		t.Errorf("stdout is %q", out)
	}
	broken := got.Suites[4]
	if broken.Errors != 1 || broken.Skipped != 1 || broken.Cases[1].Error == nil || broken.Cases[2].Skipped == nil || broken.Cases[2].Line != 30 {
		t.Errorf("the broken suite is %+v", broken)
	}
}
