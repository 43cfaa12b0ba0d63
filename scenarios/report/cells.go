package report

import (
	"fmt"
	"slices"
	"strings"

	"testbed/scenarios/verdict"
)

// extent is how many networks a scenario took: ", 6 cells ×30"; empty for one.
func extent(r *verdict.Result) string {
	if len(r.Cells) == 0 || r.Scenario == nil {
		return ""
	}
	s := ""
	if n := len(r.Scenario.Cells); n > 0 {
		s += ", " + count(n, "cell")
	}
	if n := r.Scenario.Repetitions(); n > 1 {
		s += " " + multiple(n)
	}
	return s
}

// cells writes a table for each step with a row for each cell, and then of the cells
// what their options ask for.
func (t *text) cells() {
	for _, label := range labels(t.result.Cells) {
		t.table(label)
	}
	for _, c := range t.result.Cells {
		t.cell(c)
	}
}

// labels are the steps that any cell tells of, in their order.
func labels(cells []*verdict.Result) (all []string) {
	for _, c := range cells {
		for i := range c.Series {
			if !slices.Contains(all, c.Series[i].Label) {
				all = append(all, c.Series[i].Label)
			}
		}
	}
	return all
}

// seriesOf is a cell's series of a step, nil for none.
func seriesOf(c *verdict.Result, label string) *verdict.Series {
	for i := range c.Series {
		if c.Series[i].Label == label {
			return &c.Series[i]
		}
	}
	return nil
}

// table writes what every cell made of a step.
func (t *text) table(label string) {
	title, ok := t.titleOfAll(label)
	t.line("  " + t.mark(ok) + " " + t.legible(title))
	rows := [][]string{tableHead(t.result)}
	var marks []string
	for _, c := range t.result.Cells {
		s := seriesOf(c, label)
		if s == nil {
			continue
		}
		for i, row := range tableRows(t.result, c, s) {
			rows = append(rows, row)
			mark := " "
			if i == 0 && c.Scenario != nil {
				mark = t.mark(s.OK())
			}
			marks = append(marks, mark)
		}
	}
	t.rows(rows, marks)
	t.space()
}

// titleOfAll is the step in words, and whether it is as expected in every cell.
func (t *text) titleOfAll(label string) (title string, ok bool) {
	ok = true
	for _, c := range t.result.Cells {
		s := seriesOf(c, label)
		switch {
		case s == nil:
			continue
		case title == "":
			title = inline(s.Title, maxField)
		case inline(s.Title, maxField) != strings.TrimSuffix(title, " …"):
			title = strings.TrimSuffix(title, " …") + " …"
		}
		ok = ok && s.OK()
	}
	return title, ok
}

// tableHead are the columns: the parameters, the outcome, and the times.
func tableHead(r *verdict.Result) []string {
	head := parametersOf(r)
	if isRepeated(r) {
		return append(head, "runs", "outcomes", "time", "p50", "p95", "max")
	}
	return append(head, "outcome", "time", "")
}

func parametersOf(r *verdict.Result) (names []string) {
	if r.Scenario == nil || len(r.Scenario.Cells) == 0 {
		return nil
	}
	for _, a := range r.Scenario.Cells[0].Cell {
		names = append(names, inline(a.Name, maxField))
	}
	return names
}

// isRepeated tells whether there are several repetitions, so that times spread.
func isRepeated(r *verdict.Result) bool {
	for _, c := range r.Cells {
		for i := range c.Series {
			if len(c.Series[i].Samples) > 1 {
				return true
			}
		}
	}
	return false
}

// tableRows are a cell's row, with a further one for each further time.
func tableRows(r, c *verdict.Result, s *verdict.Series) (rows [][]string) {
	var first []string
	if c.Scenario != nil {
		for _, a := range c.Scenario.Cell {
			first = append(first, inline(a.Value, maxQuote))
		}
	}
	if isRepeated(r) {
		first = append(first, fmt.Sprint(len(s.Samples)), endings(s))
	} else {
		first = append(first, onlyEnding(s))
	}
	blank := make([]string, len(first))
	for _, key := range s.Keys {
		times := s.Times(key)
		if len(times) == 0 {
			continue
		}
		row := blank
		if rows == nil {
			row = first
		}
		row = append(slices.Clone(row), key, short(verdict.Percentile(times, 50)))
		if isRepeated(r) {
			row = append(row, short(verdict.Percentile(times, 95)), short(verdict.Percentile(times, 100)))
		}
		rows = append(rows, row)
	}
	if rows == nil {
		rows = [][]string{first}
	}
	return rows
}

// rows writes a table, its columns as wide as they must be. marks are before the
// rows after the head.
func (t *text) rows(rows [][]string, marks []string) {
	var widths []int
	for _, row := range rows {
		for i, x := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], width(t.legible(x)))
		}
	}
	for n, row := range rows {
		line := ""
		for i, x := range row {
			x = t.legible(x)
			line += x + strings.Repeat(" ", widths[i]-width(x)+2)
		}
		line = strings.TrimRight(line, " ")
		if n == 0 {
			t.line("      " + t.dim(line))
		} else {
			t.line("    " + marks[n-1] + " " + line)
		}
	}
}

// cell tells of one cell: what was expected of all its repetitions together, and the
// story of one of them if it is not as expected or all are asked for.
func (t *text) cell(c *verdict.Result) {
	bad := c.Err == nil && !c.OK()
	if !bad && (t.Story != StoryAlways || len(c.Steps) == 0) {
		return
	}
	own := &text{Options: t.Options, palette: t.palette, result: c, gap: t.gap}
	own.cellHead(c)
	for i := range c.Series {
		for _, check := range c.Series[i].Verdict.Checks {
			own.checkOfAll(&c.Series[i], check)
		}
	}
	if c.Repetition > 0 && len(c.Steps) > 0 {
		own.line("  " + own.legible(which(c.Repetition, c.Repetitions(), everyStepOK(c))) + ":")
	}
	for i := range c.Steps {
		own.step(&c.Steps[i])
	}
	own.again(t.result)
	own.space()
	t.Write(own.Bytes())
	t.gap = own.gap
}

// cellHead names a cell and says how many of its repetitions are as expected.
func (t *text) cellHead(c *verdict.Result) {
	name := "  "
	if c.Scenario != nil && c.Scenario.CellName() != "" {
		name += t.strong(inline(c.Scenario.CellName(), maxField)) + "  "
	}
	state := t.good("ok")
	if !c.OK() {
		state = t.bad("FAILED")
	}
	t.line(name + state)
}

// again writes the command that shows the run again that the cell tells of.
func (t *text) again(whole *verdict.Result) {
	c := t.result
	if whole.Scenario == nil || whole.Scenario.File == "" || len(c.Steps) == 0 || whole.Scenario.Mutation > 0 {
		return
	}
	words := []string{"testbed run"}
	if c.Clock == verdict.Virtual {
		words = append(words, "--clock=virtual")
	}
	if c.Scenario != nil {
		for _, a := range c.Scenario.Cell {
			words = append(words, "--cell "+shellWord(inline(a.Name+"="+a.Value, maxField)))
		}
	}
	if c.Repetition > 0 {
		words = append(words, fmt.Sprintf("--repeat 1 --seed %d", c.Seed))
	}
	t.space()
	t.indented("  ", "This run alone: "+strings.Join(append(words, shellWord(inline(whole.Scenario.File, maxField))), " "))
}

// checkOfAll writes a check of all repetitions together.
func (t *text) checkOfAll(s *verdict.Series, c verdict.Check) {
	if !c.OK {
		t.failed(c)
		return
	}
	t.line("      " + t.mark(true) + " " + t.legible(passed(c)))
}

func everyStepOK(r *verdict.Result) bool {
	return !slices.ContainsFunc(r.Steps, func(s verdict.StepResult) bool { return !s.Verdict.OK })
}
