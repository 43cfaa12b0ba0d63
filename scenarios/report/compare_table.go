package report

import "strings"

// The layout of a comparison: an indent with the mark of rows that differ, the
// step's title, and the kernels' columns with gaps between them.
const (
	compareIndent = 4
	compareGap    = 3
	// minCell is the narrowest column that a kernel gets; where there is less, each
	// kernel gets a line of its own.
	minCell = 20
	// minTitle and maxTitle bound the titles' column.
	minTitle, maxTitle = 16, 40
)

func (c *comparison) write(t *text) {
	t.line("")
	t.line(t.strong("The kernels side by side"))
	titles, cells := c.columns(t)
	if cells < minCell {
		c.stacked(t)
	} else {
		c.table(t, titles, cells)
	}
	t.line("")
	t.indented("", c.conclusion())
}

// columns are the widths of the titles' column and of each kernel's.
func (c *comparison) columns(t *text) (title, each int) {
	for _, g := range c.groups {
		for _, r := range g.rows {
			title = max(title, width(r.title))
		}
	}
	room := t.width() - compareIndent - len(c.kernels)*compareGap
	title = min(max(title, minTitle), max(minTitle, min(maxTitle, room/(len(c.kernels)+1))))
	return title, min((room-title)/len(c.kernels), c.widest(t))
}

// widest is what a kernel's column needs at most.
func (c *comparison) widest(t *text) (widest int) {
	for _, release := range shortReleases(c.kernels) {
		widest = max(widest, width(release)+2)
	}
	for _, g := range c.groups {
		for _, r := range g.rows {
			for _, cell := range r.cells {
				widest = max(widest, width(strings.Join(cell.lines(t, t.width()), "")))
			}
		}
	}
	return max(widest, minCell)
}

func (c *comparison) table(t *text, title, each int) {
	head := strings.Repeat(" ", compareIndent+title)
	for _, release := range shortReleases(c.kernels) {
		head += strings.Repeat(" ", compareGap) + t.dim(pad("  "+inline(release, maxField), each))
	}
	t.line(head)
	for _, g := range c.groups {
		t.line("  " + t.strong(g.name))
		for _, r := range g.rows {
			r.write(t, title, each)
		}
	}
}

// write writes a row, in as many lines as its highest cell needs.
func (r row) write(t *text, title, each int) {
	columns := [][]string{wrap(t.legible(r.title), title)}
	for _, c := range r.cells {
		columns = append(columns, c.lines(t, each))
	}
	height := 0
	for _, lines := range columns {
		height = max(height, len(lines))
	}
	for i := range height {
		line := r.mark(t, i)
		for k, lines := range columns {
			part := ""
			if i < len(lines) {
				part = lines[i]
			}
			if k == 0 {
				line += pad(part, title)
			} else {
				line += strings.Repeat(" ", compareGap) + pad(part, each)
			}
		}
		t.line(line)
	}
}

// mark begins a row's line: the first says whether the kernels differ.
func (r row) mark(t *text, line int) string {
	if line > 0 || !r.differs {
		return strings.Repeat(" ", compareIndent)
	}
	mark := t.legible("≠")
	return strings.Repeat(" ", compareIndent-1-width(mark)) + t.warn(mark) + " "
}

// stacked writes a line for each kernel below each step.
func (c *comparison) stacked(t *text) {
	names, at := shortReleases(c.kernels), 0
	for _, n := range names {
		at = max(at, width(n))
	}
	at += compareIndent + 2 + compareGap
	for _, g := range c.groups {
		t.line("  " + t.strong(g.name))
		for _, r := range g.rows {
			for i, l := range wrap(t.legible(r.title), t.width()-compareIndent) {
				t.line(r.mark(t, i) + l)
			}
			for k, cell := range r.cells {
				head := pad(strings.Repeat(" ", compareIndent+2)+t.dim(inline(names[k], maxField)), at)
				for _, l := range cell.lines(t, t.width()-at) {
					t.line(head + l)
					head = strings.Repeat(" ", at)
				}
			}
		}
	}
}

// lines lays a cell out in lines of at most so many columns: what does not fit
// continues below the first item.
func (c cell) lines(t *text, columns int) (lines []string) {
	line, empty := "  ", true
	if !c.bare {
		line = t.mark(c.ok) + " "
	}
	indent := strings.Repeat(" ", width(line))
	for _, item := range c.items {
		for _, part := range fit(t.legible(item.text), max(columns-width(indent), 1)) {
			if !empty && width(line)+2+width(part) > columns {
				lines = append(lines, line)
				line, empty = indent, true
			}
			if !empty {
				line += "  "
			}
			if item.differs {
				part = t.warn(part)
			} else if c.bare {
				part = t.dim(part)
			}
			line += part
			empty = false
		}
	}
	return append(lines, line)
}

// pad fills a text up with spaces to a number of columns.
func pad(s string, columns int) string {
	return s + strings.Repeat(" ", max(columns-width(s), 0))
}
