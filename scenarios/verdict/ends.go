package verdict

import (
	"fmt"
	"strings"

	"testbed/observe"
	"testbed/scenarios/spec"
)

// states compares the states that each end entered, in order.
func (j *judge) states(want *spec.States) Check {
	c := Check{Key: "states", OK: true}
	var expected, observed, wrong []string
	for _, end := range []struct {
		name string
		want []observe.State
		got  []observe.StateChange
	}{{"client", want.Client, j.o.ClientStates}, {"server", want.Server, j.o.ServerStates}} {
		if end.want == nil {
			continue
		}
		got := entered(end.got)
		expected = append(expected, end.name+" "+arrows(end.want))
		observed = append(observed, end.name+" "+arrows(got))
		if n := firstDifference(end.want, got); n >= 0 {
			wrong = append(wrong, fmt.Sprintf("%s: expected %s as state %d, observed %s",
				end.name, nth(end.want, n), n+1, nth(got, n)))
		}
	}
	c.Expected, c.Observed = strings.Join(expected, "; "), strings.Join(observed, "; ")
	if j.o.StateSource != "" {
		c.Note = sourceNote(j.o.StateSource)
	}
	if len(wrong) > 0 {
		c.OK = false
		c.Note = strings.Join(wrong, "; ") + prefixed(", ", c.Note)
	}
	return c
}

// entered lists the states in order, consecutive equal ones as one.
func entered(changes []observe.StateChange) []observe.State {
	var s []observe.State
	for _, c := range changes {
		if len(s) == 0 || s[len(s)-1] != c.State {
			s = append(s, c.State)
		}
	}
	return s
}

func arrows(states []observe.State) string {
	if len(states) == 0 {
		return "none"
	}
	s := make([]string, len(states))
	for i, x := range states {
		s[i] = string(x)
	}
	return strings.Join(s, " → ")
}

// firstDifference is the first index at which a and b differ, or -1.
func firstDifference(a, b []observe.State) int {
	for i := range max(len(a), len(b)) {
		if nth(a, i) != nth(b, i) {
			return i
		}
	}
	return -1
}

func nth(states []observe.State, i int) string {
	if i >= len(states) {
		return "none"
	}
	return string(states[i])
}

// seenFrom compares the node whose address the server saw.
func (j *judge) seenFrom(want string) Check {
	got := j.o.SeenFrom
	addr := ""
	if j.o.SeenAddr.IsValid() {
		addr = j.o.SeenAddr.String()
	}
	c := Check{Key: "seen_from", Expected: want, Observed: got, OK: want == got}
	switch {
	case got == "" && addr == "":
		c.Observed, c.Note = "none", j.ended("the server accepted no connection")
	case got == "":
		c.Observed, c.Note = addr, "the server saw "+addr+", which no node has"
	case !c.OK:
		c.Note = fmt.Sprintf("expected %s, observed %s%s", want, got, prefixed(" as ", addr))
	case addr != "":
		c.Note = "as " + addr
	}
	return c
}
