package report

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"testbed/scenarios/verdict"
)

// Story says for which steps the whole story is told: the ladder diagram, the
// paragraph, and where the observations come from.
type Story string

// The choices. The zero value means StoryFailed.
const (
	StoryFailed Story = "failed"
	StoryAlways Story = "always"
	StoryNever  Story = "never"
)

// Stories lists the choices.
var Stories = []Story{StoryFailed, StoryAlways, StoryNever}

// Options of a text report. The zero value tells the stories of failed steps,
// without colours, 100 columns wide.
type Options struct {
	Story Story
	// Color paints with SGR escape sequences.
	Color bool
	// Width is the number of columns; zero means 100.
	Width int
	// ASCII keeps to ASCII: no ticks, no box drawing.
	ASCII bool
}

// defaultWidth is that of a pipe, minWidth the least that is laid out for.
const (
	defaultWidth = 100
	minWidth     = 40
)

func (o Options) width() int {
	if o.Width == 0 {
		return defaultWidth
	}
	return max(o.Width, minWidth)
}

func (o Options) tells(ok bool) bool {
	switch o.Story {
	case StoryAlways:
		return true
	case StoryNever:
		return false
	}
	return !ok
}

// Text writes a scenario's result for a person: a heading, each step with what
// was expected and observed, and the stories that the options ask for. All of
// it is written with one call of w's Write.
func Text(w io.Writer, r *verdict.Result, o Options) error {
	t := &text{Options: o, palette: palette{o.Color}, result: r}
	t.heading()
	t.cells()
	for i := range r.Steps {
		t.step(&r.Steps[i])
	}
	t.problem()
	_, err := w.Write(t.Bytes())
	return err
}

// text is a report that is being written.
type text struct {
	bytes.Buffer
	Options
	palette
	result *verdict.Result
	// margin is before the line of a step within another one.
	margin string
	// gap is true when the last line is an empty one.
	gap bool
}

// legible is a text in the characters that the options allow.
func (t *text) legible(s string) string {
	if t.ASCII {
		return toASCII(s)
	}
	return s
}

// mark is the palette's in the characters that the options allow.
func (t *text) mark(ok bool) string {
	if !t.ASCII {
		return t.palette.mark(ok)
	}
	if ok {
		return t.good("ok")
	}
	return t.bad("FAIL")
}

// wrap breaks a text into legible lines.
func (t *text) wrap(s string, limit int) []string { return wrap(t.legible(s), limit) }

// line writes one line; trailing space is cut.
func (t *text) line(s string) {
	t.WriteString(strings.TrimRight(t.legible(s), " ") + "\n")
	t.gap = s == ""
}

// space writes an empty line unless there is one.
func (t *text) space() {
	if !t.gap {
		t.line("")
	}
}

// indented writes a text wrapped, behind an indent.
func (t *text) indented(indent, s string) {
	for _, l := range t.wrap(s, t.width()-width(indent)) {
		t.line(indent + l)
	}
}

func (t *text) heading() {
	state := t.good("ok")
	switch r := t.result; {
	case r.Err != nil && isInterrupt(r.Err):
		state = t.warn("INTERRUPTED")
	case r.Err != nil:
		state = t.bad("ERROR")
	case r.Skipped != "":
		state = t.warn("skipped")
	case !r.OK():
		state = t.bad("FAILED")
	}
	t.line(t.strong(cellName(t.result)) + "  " + state + "  " + t.dim(short(t.result.Elapsed)+extent(t.result)))
}

// problem tells what a capture lacks, and why the testbed could not finish, or
// did not begin.
func (t *text) problem() {
	if c := t.result.Capture; c != nil && c.Forgotten > 0 {
		t.indented("  ", fmt.Sprintf("The capture lacks the first %s: only the latest are kept.", count(int(c.Forgotten), "frame")))
	}
	if c := t.result.Capture; c != nil && c.Lost > 0 {
		t.indented("  ", fmt.Sprintf("The capture lacks %s that passed too fast to be recorded.", count(int(c.Lost), "frame")))
	}
	if t.result.Skipped != "" {
		t.indented("  ", inline(t.result.Skipped, maxField))
	}
	if t.result.Err == nil {
		return
	}
	for i, l := range strings.Split(strings.TrimRight(block(t.result.Err.Error()), "\n"), "\n") {
		head := "    "
		if i == 0 {
			head = "  " + t.bad("!") + " "
		}
		if quoted := strings.HasPrefix(l, "    "); quoted { // a file's line, and the place in it
			t.line("    " + cut(t.legible(l), t.width()-4))
			continue
		}
		for j, part := range t.wrap(l, t.width()-4) {
			if j > 0 {
				head = "    "
			}
			t.line(head + part)
		}
	}
}

func nameOf(r *verdict.Result) string {
	if r.Scenario == nil || r.Scenario.Name == "" {
		return "scenario"
	}
	return inline(r.Scenario.Name, maxField)
}

func isInterrupt(err error) bool { return errors.Is(err, context.Canceled) }
