package ladder

import (
	"strings"
	"unicode"

	"github.com/clipperhouse/displaywidth"
)

// Style colours a diagram's parts. Each function wraps a piece of text of one
// line in what switches a colour on and off, without changing its width; nil
// leaves it plain.
type Style struct {
	// Name is a node's, Time a time, Line a node's line down the diagram.
	Name, Time, Line func(string) string
	// Arrow and Label are an ordinary packet's.
	Arrow, Label func(string) string
	// Retransmission, Reset and ICMP are the arrow and label of such packets.
	Retransmission, Reset, ICMP func(string) string
	// Dead is the mark where a packet died, with what killed it.
	Dead func(string) string
	// Gap is a pause, or what was left out.
	Gap func(string) string
}

// part is what a cell belongs to.
type part int

const (
	blank part = iota
	nodeName
	clock
	lifeline
	arrow
	label
	retransmission
	reset
	icmp
	dead
	gap
)

func (s *Style) of(p part) func(string) string {
	switch p {
	case nodeName:
		return s.Name
	case clock:
		return s.Time
	case lifeline:
		return s.Line
	case arrow:
		return s.Arrow
	case label:
		return s.Label
	case retransmission:
		return s.Retransmission
	case reset:
		return s.Reset
	case icmp:
		return s.ICMP
	case dead:
		return s.Dead
	case gap:
		return s.Gap
	}
	return nil
}

// cell is one column of the terminal. The text of a character of two columns is
// in its first cell, and the second is covered.
type cell struct {
	text    string
	part    part
	covered bool
}

// row is a line that is being drawn.
type row []cell

func newRow() *row { return &row{} }

// at makes room for a cell.
func (r *row) at(x int) *cell {
	for len(*r) <= x {
		*r = append(*r, cell{})
	}
	return &(*r)[x]
}

// put writes a text from x on over what is there.
func (r *row) put(x int, s string, p part) {
	g := displaywidth.StringGraphemes(s)
	for g.Next() {
		w := g.Width()
		if w == 0 {
			continue
		}
		*r.at(x) = cell{text: g.Value(), part: p}
		for i := 1; i < w; i++ {
			*r.at(x + i) = cell{part: p, covered: true}
		}
		x += w
	}
}

// free tells whether nothing is drawn between two columns, both included.
func (r *row) free(from, to int) bool {
	for x := from; x <= to && x < len(*r); x++ {
		if c := (*r)[x]; c.text != "" && c.text != " " || c.covered {
			return false
		}
	}
	return true
}

// toASCII replaces what is not ASCII, cell by cell.
func (r *row) toASCII() {
	for x := range *r {
		c := &(*r)[x]
		switch {
		case c.text == "–":
			c.text = "-"
		case c.covered, strings.IndexFunc(c.text, func(r rune) bool { return r > unicode.MaxASCII }) >= 0:
			c.text, c.covered = "?", false
		}
	}
}

// render writes the line, styled piece by piece, without trailing space.
func (r *row) render(s *Style) string {
	var out, piece strings.Builder
	current, spaces := blank, 0
	flush := func() {
		t := piece.String()
		if f := s.of(current); f != nil && t != "" {
			t = f(t)
		}
		out.WriteString(t)
		piece.Reset()
	}
	for _, c := range *r {
		switch {
		case c.covered:
			continue
		case c.text == "" || c.text == " ":
			spaces++
			continue
		}
		if c.part != current || spaces > 1 {
			flush()
			out.WriteString(strings.Repeat(" ", spaces))
			current = c.part
		} else {
			piece.WriteString(strings.Repeat(" ", spaces))
		}
		spaces = 0
		piece.WriteString(c.text)
	}
	flush()
	return out.String()
}

func width(s string) int { return displaywidth.String(s) }

// abbreviate cuts a text to a width by an ellipsis in its middle, since names
// often differ only in their last character.
func abbreviate(s string, most int, ellipsis string) string {
	if width(s) <= most {
		return s
	}
	keep := max(most-width(ellipsis), 1)
	var parts []string
	for g := displaywidth.StringGraphemes(s); g.Next(); {
		parts = append(parts, g.Value())
	}
	head, tail := "", ""
	for i, j := 0, len(parts)-1; i <= j; {
		switch {
		case width(head) <= width(tail) && width(head+parts[i]+tail) <= keep:
			head += parts[i]
			i++
		case width(head+parts[j]+tail) <= keep:
			tail = parts[j] + tail
			j--
		default:
			return head + ellipsis + tail
		}
	}
	return head + ellipsis + tail
}
