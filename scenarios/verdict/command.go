package verdict

import (
	"fmt"
	"strings"

	"testbed/agents"
	"testbed/scenarios/spec"
)

// maxText is how many characters of an output a check shows.
const maxText = 200

// command adds the checks of what a command wrote, and of what an exchange read.
func (j *judge) command() {
	if j.e.Answer != nil {
		j.add(text("answer", j.e.Answer, j.o.Answer))
	}
	if j.e.Stdout != nil {
		j.add(text("stdout", j.e.Stdout, j.o.Stdout))
	}
	if j.e.Stderr != nil {
		j.add(text("stderr", j.e.Stderr, j.o.Stderr))
	}
}

// running is met by a program that goes on in the background, and listens where it
// was to.
func (j *judge) running() Check {
	c := Check{Key: "background", Expected: "running", Observed: "running", OK: true}
	if j.o.Ready != 0 {
		c.Expected = fmt.Sprintf("listening on port %d", j.o.Ready)
		c.Observed = c.Expected
	}
	switch {
	case j.o.Deadline:
		c.Observed, c.OK = "not listening", false
		c.Note = fmt.Sprintf("nothing listened on port %d before the step's timeout passed", j.o.Ready)
	case j.o.Outcome == agents.Failed:
		c.Observed, c.OK = "ended", false
		c.Note = fmt.Sprintf("the program ended with exit code %d", j.o.Exit)
		if j.o.Detail != "" {
			c.Note = j.o.Detail
		}
	}
	return c
}

// count compares a number.
func (j *judge) count(key string, want spec.Count, got int) Check {
	c := Check{Key: key, Expected: countText(want), Observed: fmt.Sprint(got), OK: within(want, got)}
	if !c.OK {
		c.Note = fmt.Sprintf("expected %s %s, observed %d", key, c.Expected, got)
		if why := j.reason(); why != "" {
			c.Note += ": " + why
		}
	}
	return c
}

func within(want spec.Count, got int) bool { return inBound(want.Bound, want.Value, want.Upper, got) }

// inBound compares a number; About means exactly.
func inBound[T int | uint64](b spec.Bound, value, upper, got T) bool {
	switch b {
	case spec.AtMost:
		return got <= value
	case spec.Below:
		return got < value
	case spec.AtLeast:
		return got >= value
	case spec.Above:
		return got > value
	case spec.Within:
		return value <= got && got <= upper
	}
	return got == value
}

func countText(c spec.Count) string {
	switch {
	case c.Text != "":
		return c.Text
	case c.Bound == spec.About:
		return fmt.Sprint(c.Value)
	case c.Bound == spec.Within:
		return fmt.Sprintf("%d..%d", c.Value, c.Upper)
	}
	return fmt.Sprintf("%s %d", c.Bound, c.Value)
}

// text compares an output after trimming white space at both ends.
func text(key string, want *spec.Text, output string) Check {
	got := strings.TrimSpace(output)
	c := Check{Key: key, Observed: quote(got)}
	if want.Match != nil {
		c.Expected = "/" + want.Match.String() + "/"
		c.OK = want.Match.MatchString(got)
		if !c.OK {
			c.Note = fmt.Sprintf("expected %s to match %s, observed %s", key, c.Expected, c.Observed)
		}
		return c
	}
	equal := strings.TrimSpace(want.Equal)
	c.Expected, c.OK = quote(equal), got == equal
	if !c.OK {
		c.Note = difference(equal, got)
	}
	return c
}

// quote shows the first characters of an output on one line.
func quote(s string) string {
	if r := []rune(s); len(r) > maxText {
		return fmt.Sprintf("%q… (%d characters)", string(r[:maxText]), len(r))
	}
	return fmt.Sprintf("%q", s)
}

// difference says where two texts first differ, by line and column in
// characters, and what is there.
func difference(want, got string) string {
	w, g := []rune(want), []rune(got)
	i, line, column := 0, 1, 1
	for i < len(w) && i < len(g) && w[i] == g[i] {
		column++
		if w[i] == '\n' {
			line, column = line+1, 1
		}
		i++
	}
	return fmt.Sprintf("differs at line %d, column %d: expected %s, observed %s",
		line, column, excerpt(w[i:]), excerpt(g[i:]))
}

func excerpt(r []rune) string {
	const most = 30
	switch {
	case len(r) == 0:
		return "its end"
	case len(r) > most:
		return fmt.Sprintf("%q…", string(r[:most]))
	}
	return fmt.Sprintf("%q", string(r))
}
