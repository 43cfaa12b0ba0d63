package ladder

import "strings"

// span is the geometry of an arrow: from its sender's line to its tip, going
// right (dir 1) or left (dir -1).
type span struct{ from, tip, dir int }

func (p *pen) span(a *Arrow) span {
	last := p.x[a.Columns[len(a.Columns)-1]]
	s := span{from: p.x[a.Columns[0]], tip: last, dir: 1}
	if a.Toward >= 0 {
		s.tip = (last + p.x[a.Toward]) / 2
	}
	if a.Midway && len(a.Columns) > 1 {
		s.from = (s.from + p.x[a.Columns[1]]) / 2
	}
	if s.tip < s.from {
		s.dir = -1
	}
	return s
}

// arrow draws one arrow: the line itself, with a line above it where its label
// finds no room and one below where what killed it finds none.
func (p *pen) arrow(a *Arrow) []*row {
	s := p.span(a)
	r := p.rails(p.line)
	r.put(p.sentEnd-width(p.format(a.Sent)), p.format(a.Sent), clock)
	p.shaft(r, a, s)
	text, note, noteAs := labelText(a), a.Killed, dead
	if a.End == OnTheWay {
		note, noteAs = "still on its way", labelPart(a)
	}
	var above, below []*row
	switch {
	case p.inline(r, a, s, text):
	case note != "" && p.beyond(r, s, text+", "+note, noteAs):
		note = ""
	case note == "" && (p.beside(r, a, s, text) || p.behind(r, s, text, labelPart(a))):
	default:
		above = p.extra(s, text, labelPart(a))
	}
	if note != "" && !p.beyond(r, s, note, noteAs) && !p.behind(r, s, note, noteAs) {
		below = p.extra(span{from: s.tip - 2*s.dir, dir: s.dir}, note, noteAs)
	}
	if t := p.arrival(a); t != "" {
		if x := p.arrivedEnd - width(t); r.free(x-2, p.arrivedEnd) {
			r.put(x, t, clock)
		}
	}
	return append(append(above, r), below...)
}

// shaft draws the arrow's line and tip. A router that it went through shows a
// crossing; a node that it passed by does not.
func (p *pen) shaft(r *row, a *Arrow, s span) {
	as, start := arrowPart(a), p.fromLeft
	if s.dir < 0 {
		start = p.fromRight
	}
	for x := s.from + s.dir; x != s.tip && s.from != s.tip; x += s.dir {
		r.put(x, p.dash, as)
	}
	for _, c := range a.Columns[1:] {
		r.put(p.x[c], p.cross, as)
	}
	if a.Midway {
		start = p.midway
	}
	r.put(s.from, start, as)
	head := p.right
	if s.dir < 0 {
		head = p.left
	}
	switch a.End {
	case Arrived:
		r.put(s.tip, p.line, lifeline)
		r.put(s.tip-s.dir, head, as)
	case AtNode:
		r.put(s.tip, p.dead, dead)
		if s.from != s.tip {
			r.put(s.tip-s.dir, head, as)
		}
	case OnLink:
		r.put(s.tip, p.dead, dead)
	case OnTheWay:
		r.put(s.tip, p.onTheWay, as)
	}
}

// inline writes a label on the arrow next to its sender: before the first line
// that it crosses where there is room, else over it.
func (p *pen) inline(r *row, a *Arrow, s span, text string) bool {
	// A dash and a space at both ends, and the tip.
	need := width(text) + 5
	if (s.tip-s.from)*s.dir <= need {
		return false
	}
	x := s.from + 3
	if s.dir < 0 {
		x = s.from - 2 - width(text)
	}
	p.write(r, x, text, labelPart(a))
	return true
}

// beyond writes a text past the tip in the arrow's direction.
func (p *pen) beyond(r *row, s span, text string, as part) bool {
	x := s.tip + 2
	if s.dir < 0 {
		x = s.tip - 1 - width(text)
	}
	if x < p.sentEnd+2 || x+width(text) > p.width {
		return false
	}
	p.write(r, x, text, as)
	return true
}

// beside is beyond for the label of a packet that did not die: it leaves the
// margins to the times.
func (p *pen) beside(r *row, a *Arrow, s span, text string) bool {
	right := s.tip + 2 + width(text)
	switch {
	case s.dir > 0 && a.End == Arrived && right >= p.x[len(p.x)-1],
		s.dir < 0 && s.tip-1-width(text) <= p.x[0]:
		return false
	}
	return p.beyond(r, s, text, labelPart(a))
}

// behind writes a text on the far side of the sender's line.
func (p *pen) behind(r *row, s span, text string, as part) bool {
	x := s.from + 2
	if s.dir > 0 {
		x = s.from - 1 - width(text)
	}
	if x < p.x[0]+2 || x+width(text) >= p.x[len(p.x)-1] || !p.empty(r, x, x+width(text)) {
		return false
	}
	p.write(r, x, text, as)
	return true
}

// extra is a line of its own for a text that finds no room on its arrow's.
func (p *pen) extra(s span, text string, as part) []*row {
	r := p.rails(p.line)
	text = abbreviate(text, p.width-p.x[0]-2, p.ellipsis)
	p.write(r, p.clamp(s, text), text, as)
	return []*row{r}
}

// empty tells whether a stretch shows nothing but nodes' lines.
func (p *pen) empty(r *row, from, to int) bool {
	for x := from; x < to && x < len(*r); x++ {
		if c := (*r)[x]; c.text != "" && c.part != lifeline && c.part != blank {
			return false
		}
	}
	return true
}

// clamp is where a text begins that stands next to the start of a span and
// within the drawing.
func (p *pen) clamp(s span, text string) int {
	x := s.from + 2
	if s.dir < 0 {
		x = s.from - 1 - width(text)
	}
	return max(min(x, p.width-width(text)), p.x[0]+2)
}

func labelText(a *Arrow) string {
	parts := []string{a.Name}
	if a.Numbers != "" {
		parts = append(parts, a.Numbers)
	}
	if len(a.Remarks) > 0 {
		parts = append(parts, "("+strings.Join(a.Remarks, ", ")+")")
	}
	return strings.Join(parts, " ")
}

func arrowPart(a *Arrow) part {
	switch a.Kind {
	case Retransmission:
		return retransmission
	case Reset:
		return reset
	case ICMP:
		return icmp
	}
	return arrow
}

func labelPart(a *Arrow) part {
	if p := arrowPart(a); p != arrow {
		return p
	}
	return label
}
