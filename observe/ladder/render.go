package ladder

import (
	"fmt"
	"strings"
	"time"
)

// Options are how a diagram is drawn. The zero value draws up to 60 lines of
// 100 columns in plain Unicode.
type Options struct {
	// Width is the number of columns of the terminal; zero means 100. A diagram of
	// many nodes is wider rather than unreadable.
	Width int
	// MaxRows is the number of lines below the heading; zero means 60. Of a
	// longer exchange, the middle is left out and counted.
	MaxRows int
	// ASCII keeps the drawing to ASCII.
	ASCII bool
	Style Style
}

const (
	defaultWidth   = 100
	defaultMaxRows = 60
	// longPause is how long nothing must happen to be worth a line.
	longPause = 250 * time.Millisecond
	// repeatHeading is after how many lines the names are written once more at
	// the end.
	repeatHeading = 25
)

// glyphs are the characters of a drawing.
type glyphs struct {
	line, pause, dash, fromLeft, fromRight, cross, right, left, dead, onTheWay, midway, dots, ellipsis string
}

var (
	unicodeGlyphs = glyphs{"│", "┊", "─", "├", "┤", "┼", "▶", "◀", "✗", "…", "◆", "…", "…"}
	asciiGlyphs   = glyphs{"|", ":", "-", "+", "+", "+", ">", "<", "X", "~", "*", "...", "~"}
)

// Render draws the diagram, each line ended by a newline. A diagram without
// packets is drawn as an empty text.
func (d Diagram) Render(o Options) string {
	if len(d.Arrows) == 0 || len(d.Columns) == 0 {
		return ""
	}
	p := newPen(d, o)
	blocks := p.blocks()
	body := p.cut(blocks)
	lines := append([]*row{p.heading(), p.rails(p.line)}, body...)
	if len(body) > repeatHeading {
		lines = append(lines, p.rails(p.line), p.heading())
	}
	var out strings.Builder
	for _, r := range lines {
		if o.ASCII {
			r.toASCII()
		}
		out.WriteString(r.render(&o.Style) + "\n")
	}
	return out.String()
}

// pen draws a diagram that is laid out.
type pen struct {
	glyphs
	layout
	d       Diagram
	maxRows int
}

func newPen(d Diagram, o Options) *pen {
	p := &pen{glyphs: unicodeGlyphs, d: d, maxRows: o.MaxRows}
	if o.ASCII {
		p.glyphs = asciiGlyphs
	}
	if p.maxRows <= 0 {
		p.maxRows = defaultMaxRows
	}
	w := o.Width
	if w <= 0 {
		w = defaultWidth
	}
	p.layout = newLayout(d, w, p.ellipsis)
	return p
}

// rails is a line with the nodes' lines alone.
func (p *pen) rails(glyph string) *row {
	r := newRow()
	for _, x := range p.x {
		r.put(x, glyph, lifeline)
	}
	return r
}

func (p *pen) heading() *row {
	r := newRow()
	r.put(p.sentEnd-width("sent"), "sent", clock)
	for i, name := range p.names {
		r.put(p.x[i]-width(name)/2, name, nodeName)
	}
	if p.arrivals {
		r.put(p.arrivedEnd-width("arrived"), "arrived", clock)
	}
	return r
}

// block is the lines of one arrow, with the pause before it.
type block []*row

func (p *pen) blocks() []block {
	blocks := make([]block, len(p.d.Arrows))
	var quiet time.Duration
	for i := range p.d.Arrows {
		a := &p.d.Arrows[i]
		if d := a.Sent - quiet; i > 0 && d >= longPause {
			blocks[i] = append(blocks[i], p.remark(fmt.Sprintf("%s %s later", p.dots, pause(d))))
		}
		blocks[i] = append(blocks[i], p.arrow(a)...)
		quiet = max(quiet, a.Sent, a.Arrived)
	}
	return blocks
}

// remark is a line about what is not drawn.
func (p *pen) remark(s string) *row {
	r := p.rails(p.pause)
	p.write(r, p.x[0]+2, s, gap)
	return r
}

// write puts a text with a space at both ends, so that lines do not touch it.
func (p *pen) write(r *row, x int, s string, as part) {
	r.put(x-1, " "+s+" ", as)
}

// cut leaves out blocks in the middle when there are too many lines.
func (p *pen) cut(blocks []block) []*row {
	total := 0
	for _, b := range blocks {
		total += len(b)
	}
	var head, tail []*row
	first, last := 0, len(blocks)
	if total > p.maxRows {
		budget := max(p.maxRows-1, 2)
		for first < last && len(head)+len(blocks[first]) <= (budget+1)/2 {
			head = append(head, blocks[first]...)
			first++
		}
		for last > first && len(tail)+len(blocks[last-1]) <= budget/2 {
			last--
			tail = append(append([]*row{}, blocks[last]...), tail...)
		}
	}
	if first == 0 && last == len(blocks) {
		for _, b := range blocks {
			head = append(head, b...)
		}
	} else if first < last {
		head = append(head, p.remark(p.leftOut(first, last)))
	}
	return append(head, tail...)
}

// leftOut tells what arrows were cut out.
func (p *pen) leftOut(first, last int) string {
	out := p.d.Arrows[first:last]
	died, again := 0, 0
	for i := range out {
		if out[i].Killed != "" {
			died++
		}
		if out[i].Kind == Retransmission {
			again++
		}
	}
	s := fmt.Sprintf("%s %d more packets in %s", p.dots, len(out), pause(out[len(out)-1].Sent-out[0].Sent))
	if again > 0 {
		s += fmt.Sprintf(", %d retransmissions", again)
	}
	if died > 0 {
		s += fmt.Sprintf(", %d died", died)
	}
	return s
}
