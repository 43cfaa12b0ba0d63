package report

import (
	"strings"
	"testing"

	"testbed/netem"
	"testbed/observe"
	"testbed/scenarios/verdict"
)

func TestCarried(t *testing.T) {
	lost := observe.Journey{Fate: observe.Fate{Drop: observe.Drop{Link: [2]string{"a", "b"}}}}
	for _, c := range []struct {
		name string
		by   netem.MediumName
		js   []observe.Journey
		want string
	}{
		{"wire", netem.Wire, []observe.Journey{lost}, ""},
		{"no packets", netem.Kernel, nil, ""},
		{"kernel", netem.Kernel, []observe.Journey{{Fate: observe.Fate{Delivered: true}}}, "kernel's netem."},
		{"drops", netem.Kernel, []observe.Journey{lost}, "had counted."},
	} {
		if got := strings.Join(carried(c.by, &verdict.Observation{Journeys: c.js}), " "); !strings.HasSuffix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: %q, want %q at the end", c.name, got, c.want)
		}
	}
}

func TestLinksInJSON(t *testing.T) {
	d := NewDocument([]*verdict.Result{{Links: netem.Kernel}, {}})
	if d.Scenarios[0].Links != "kernel" || d.Scenarios[1].Links != "" {
		t.Errorf("links are %q and %q", d.Scenarios[0].Links, d.Scenarios[1].Links)
	}
}
