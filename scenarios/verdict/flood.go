package verdict

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"testbed/scenarios/spec"
)

// flood adds the checks of what a flood came to.
func (j *judge) flood() {
	f := j.o.Flood
	if f == nil {
		return
	}
	for _, x := range []struct {
		key  string
		want *spec.Count
		got  int
	}{{"sent", j.e.Sent, f.Sent}, {"arrived", j.e.Arrived, f.Arrived}, {"answered", j.e.Answered, f.Answered}} {
		if x.want == nil {
			continue
		}
		c := j.count(x.key, *x.want, x.got)
		if !c.OK && x.key != "sent" {
			c.Note = j.withUnseen(c.Note)
		}
		j.add(c)
	}
	if len(j.e.Counters) > 0 {
		j.add(j.counters(j.e.Counters))
	}
}

// counters compares how much the target's counters grew.
func (j *judge) counters(want map[string]spec.Count) Check {
	c := Check{Key: "counters", OK: true}
	var expected, observed, wrong []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		got, known := j.o.Flood.Counters[name]
		expected = append(expected, name+" "+countText(want[name]))
		seen := fmt.Sprint(got)
		if !known {
			seen = "unknown to this kernel"
		}
		observed = append(observed, name+" "+seen)
		if !known || !within(want[name], int(got)) {
			wrong = append(wrong, fmt.Sprintf("%s %s, observed %s", name, countText(want[name]), seen))
		}
	}
	c.Expected, c.Observed = strings.Join(expected, ", "), strings.Join(observed, ", ")
	if len(wrong) > 0 {
		c.OK, c.Note = false, "expected "+strings.Join(wrong, "; ")
	}
	return c
}
