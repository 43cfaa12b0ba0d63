package report

import (
	"fmt"
	"strconv"
	"strings"

	"testbed/scenarios/verdict"
)

// step writes a step's line, its failed checks, and its story.
func (t *text) step(s *verdict.StepResult) {
	o := s.Observation
	if o == nil {
		return
	}
	if len(o.Samples) > 0 {
		t.compact(t.legible(titleOf(o)+" "+multiple(len(o.Samples))), s.Verdict.OK, seriesItems(s))
	} else {
		t.compact(t.legible(titleOf(o)), s.Verdict.OK, itemsOf(o, s.Verdict))
	}
	for _, c := range s.Verdict.Checks {
		if !c.OK {
			t.failed(c)
		}
	}
	t.ports(o)
	if o.Kind == verdict.Parallel {
		t.nested(s)
	} else if t.tells(s.Verdict.OK) && o.Kind != verdict.Wait && o.Kind != verdict.Set {
		t.story(s)
	}
}

func titleOf(o *verdict.Observation) string {
	if o.Title == "" {
		return string(o.Kind)
	}
	return inline(o.Title, maxField)
}

// compact writes the mark, the title and the items in one line; what does not
// fit continues below the first item.
func (t *text) compact(title string, ok bool, items []string) {
	line := "  " + t.margin + t.mark(ok) + " " + title
	at := width(line) + 3
	if at > t.width()/2 {
		at = 8
		t.line(line)
		line = strings.Repeat(" ", at)
	} else {
		line += "   "
	}
	empty := true
	for _, item := range items {
		for _, part := range fit(t.legible(item), t.width()-at) {
			if !empty && width(line)+2+width(part) > t.width() {
				t.line(line)
				line, empty = strings.Repeat(" ", at), true
			}
			if !empty {
				line += "  "
			}
			line += part
			empty = false
		}
	}
	if !empty || strings.TrimSpace(line) != "" {
		t.line(line)
	}
}

// fit is an item in parts of at most so many columns.
func fit(item string, columns int) []string {
	if width(item) <= columns {
		return []string{item}
	}
	return wrap(item, columns)
}

// itemsOf are a step's outcome and the checks that passed.
func itemsOf(o *verdict.Observation, v verdict.Verdict) []string {
	var items []string
	named, timed := false, false
	for _, c := range v.Checks {
		named = named || c.Key == "outcome" && o.Kind != verdict.Scan || isPortState(c.Key) || c.Key == "status" || c.Key == "exit"
		timed = timed || strings.HasSuffix(c.Key, "time") || c.Key == "elapsed"
	}
	if !named {
		items = append(items, resultOf(o)...)
	}
	for _, c := range v.Checks {
		if c.OK && c.Expected != "done" {
			items = append(items, passed(c))
		}
	}
	if !timed && o.Kind != verdict.Wait && o.Kind != verdict.Set {
		items = append(items, short(o.Elapsed))
	}
	return items
}

// resultOf is how a step ended, in a word.
func resultOf(o *verdict.Observation) []string {
	switch {
	case o.Kind == verdict.HTTP && o.Status != 0:
		return []string{"status " + strconv.Itoa(o.Status)}
	case o.Background:
		return nil
	case o.Kind == verdict.Exec:
		return []string{"exit " + strconv.Itoa(o.Exit)}
	case o.Kind == verdict.Scan:
		return portsByState(o)
	case o.Kind == verdict.Flood && o.Flood != nil:
		return []string{strconv.Itoa(o.Flood.Sent) + " sent"}
	case o.Outcome != "":
		return []string{inline(string(o.Outcome), maxField)}
	}
	return nil
}

// passed is a check in short: what was observed, and in brackets what was
// expected where that is not the same.
func passed(c verdict.Check) string {
	observed, expected := inline(c.Observed, maxField), expectation(c)
	if c.Key == "segments" {
		expected = "" // it says the same at more length
	}
	head := inline(c.Key, maxField) + " " + observed
	switch {
	case c.Key != "outcome":
	case c.Note == "":
		head = observed
	default:
		head = observed + " (" + inline(c.Note, maxField) + ")"
	}
	if expected != "" && expected != observed {
		head += " (" + expected + ")"
	}
	return head + forKernels(c)
}

// forKernels says for which kernels only an expectation is.
func forKernels(c verdict.Check) string {
	if c.Kernels == "" {
		return ""
	}
	return " [kernels " + inline(c.Kernels, maxField) + "]"
}

func expectation(c verdict.Check) string {
	s := inline(c.Expected, maxField)
	if c.Tolerance != "" {
		s += " " + inline(c.Tolerance, maxField)
	}
	return s
}

// failed writes a check that failed, on a line of its own.
func (t *text) failed(c verdict.Check) {
	note := inline(c.Note, maxField)
	if !strings.HasPrefix(note, "expected ") {
		what := fmt.Sprintf("expected %s, observed %s", expectation(c), inline(c.Observed, maxField))
		if note != "" {
			what += ": "
		}
		note = what + note
	}
	head := t.mark(false) + " " + inline(c.Key, maxField) + ": " + note + forKernels(c)
	for i, l := range t.wrap(head, t.width()-8) {
		if i == 0 {
			t.line("      " + l)
		} else {
			t.line("        " + l)
		}
	}
}
