package report

import (
	"io"
	"strings"

	"testbed/scenarios/index"
)

// IndexText writes the library for a person: each theme with its scenarios and what
// they show.
func IndexText(w io.Writer, sections []index.Section, o Options) error {
	t := &text{Options: o, palette: palette{o.Color}}
	names := 0
	for _, s := range sections {
		for _, e := range s.Entries {
			names = max(names, width(e.Name))
		}
	}
	for i, s := range sections {
		if i > 0 {
			t.line("")
		}
		t.line(t.strong(s.Title) + "  " + t.dim(s.About))
		for _, e := range s.Entries {
			t.entry(e, names)
		}
	}
	_, err := w.Write(t.Bytes())
	return err
}

// entry writes a scenario in one paragraph behind its name.
func (t *text) entry(e index.Entry, names int) {
	at := names + 4
	head := "  " + pad(e.Name, names) + "  "
	if at > t.width()/2 {
		t.line("  " + e.Name)
		at, head = 4, "    "
	}
	summary := e.Summary
	if e.Virtual {
		summary += " (virtual clock)"
	}
	for _, l := range t.wrap(summary, t.width()-at) {
		t.line(head + l)
		head = strings.Repeat(" ", at)
	}
}
