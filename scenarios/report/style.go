package report

import "github.com/charmbracelet/x/ansi"

// palette paints with the terminal's own 16 colours (ECMA-48 SGR), or not at
// all. It never asks the terminal or the environment anything.
type palette struct{ on bool }

func (p palette) paint(style ansi.Style, s string) string {
	if !p.on || s == "" {
		return s
	}
	return style.Styled(s)
}

func (p palette) good(s string) string {
	return p.paint(ansi.NewStyle().ForegroundColor(ansi.Green), s)
}

func (p palette) bad(s string) string {
	return p.paint(ansi.NewStyle().ForegroundColor(ansi.Red).Bold(), s)
}

func (p palette) warn(s string) string {
	return p.paint(ansi.NewStyle().ForegroundColor(ansi.Yellow), s)
}

func (p palette) strong(s string) string { return p.paint(ansi.NewStyle().Bold(), s) }

func (p palette) dim(s string) string { return p.paint(ansi.NewStyle().Faint(), s) }

// mark is a tick or a cross.
func (p palette) mark(ok bool) string {
	if ok {
		return p.good("✓")
	}
	return p.bad("✗")
}
