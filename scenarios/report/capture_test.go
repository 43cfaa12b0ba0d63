package report

import (
	"bytes"
	"strings"
	"testing"

	"testbed/scenarios/verdict"
)

func TestTextTellsWhatACaptureLacks(t *testing.T) {
	for _, c := range []struct {
		capture *verdict.Capture
		want    []string
	}{
		{nil, nil},
		{&verdict.Capture{}, nil},
		{&verdict.Capture{Forgotten: 50_001}, []string{"lacks the first 50001 frames"}},
		{&verdict.Capture{Forgotten: 1, Lost: 2}, []string{"lacks the first 1 frame:", "lacks 2 frames that passed too fast"}},
	} {
		r := passedResult()
		r.Capture = c.capture
		var b bytes.Buffer
		if err := Text(&b, r, Options{}); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(b.String(), "The capture lacks"); n != len(c.want) {
			t.Errorf("%+v: %d lines about it, want %d", c.capture, n, len(c.want))
		}
		for _, want := range c.want {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%+v: no %q in\n%s", c.capture, want, b.String())
			}
		}
	}
}
