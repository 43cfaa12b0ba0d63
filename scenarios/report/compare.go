package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
)

// noise is how far two kernels' times may lie apart and still count as the same:
// it is far more than the instructions that differ between them take.
const noise = time.Millisecond

// Kernels are the releases that results are of, in the order of their first
// appearance. A result whose kernel is not known does not count.
func Kernels(results []*verdict.Result) (releases []string) {
	for _, r := range results {
		if r.Kernel != "" && !slices.Contains(releases, r.Kernel) {
			releases = append(releases, r.Kernel)
		}
	}
	return releases
}

// Compare writes what the kernels made of the same scenarios, side by side: a row
// for each step and a column for each kernel, or, where the columns do not fit, a
// line for each kernel. A row in which the kernels differ is marked: in an outcome,
// in packets, or in a time by more than a millisecond. Results of fewer than two
// kernels write nothing.
func Compare(w io.Writer, results []*verdict.Result, o Options) error {
	c := newComparison(results)
	if len(c.kernels) < 2 {
		return nil
	}
	t := &text{Options: o, palette: palette{o.Color}}
	c.write(t)
	_, err := w.Write(t.Bytes())
	return err
}

// comparison is the table of several kernels' results.
type comparison struct {
	kernels []string
	groups  []group
}

// group are a scenario's rows.
type group struct {
	name string
	rows []row
}

// row is a step on every kernel.
type row struct {
	title   string
	cells   []cell
	differs bool
}

// cell is a step on one kernel.
type cell struct {
	// bare is true where no step was judged, so that there is no mark.
	bare bool
	ok   bool
	// items are the outcome, times and packets.
	items []item
}

// item is a part of a cell; differs says that it is not the same on all kernels.
type item struct {
	text    string
	differs bool
}

func newComparison(results []*verdict.Result) *comparison {
	c := &comparison{kernels: Kernels(results)}
	by := map[*spec.Scenario][]*verdict.Result{}
	var order []*spec.Scenario
	for _, r := range results {
		i := slices.Index(c.kernels, r.Kernel)
		if i < 0 {
			continue
		}
		if by[r.Scenario] == nil {
			by[r.Scenario] = make([]*verdict.Result, len(c.kernels))
			order = append(order, r.Scenario)
		}
		by[r.Scenario][i] = r
	}
	for _, s := range order {
		c.groups = append(c.groups, newGroup(by[s]))
	}
	return c
}

// newGroup compares the results of one scenario, one for each kernel; nil where it
// was not run on it.
func newGroup(on []*verdict.Result) group {
	var g group
	steps := 1 // a scenario that never ran has a row that says so
	for _, r := range on {
		if r != nil {
			g.name, steps = nameOf(r), max(steps, len(judged(r)))
		}
	}
	for i := range steps {
		g.rows = append(g.rows, newRow(on, i))
	}
	return g
}

func newRow(on []*verdict.Result, i int) row {
	r := row{title: "–"}
	facts := make([]*facts, len(on))
	missing := false
	for k, result := range on {
		if all := judged(result); i < len(all) {
			r.title, facts[k] = all[i].title, all[i].facts
		} else if result != nil && result.Skipped == "" {
			missing = true
		}
	}
	differs := differences(facts)
	for k, result := range on {
		if facts[k] == nil {
			r.cells = append(r.cells, cell{bare: true, items: []item{{text: absence(result)}}})
			continue
		}
		r.cells = append(r.cells, facts[k].cell(differs))
	}
	r.differs = len(differs) > 0 || missing && slices.ContainsFunc(facts, isKnown)
	return r
}

// stepFacts are those of a step, or of all its repetitions.
func stepFacts(s *verdict.StepResult) *facts {
	if len(s.Observation.Samples) == 0 {
		return newFacts(*s)
	}
	f := seriesFacts(inARow("", s))
	f.ok = s.Verdict.OK
	return f
}

// compared is a step, or what all repetitions made of it in a cell.
type compared struct {
	title string
	facts *facts
}

// judged are the steps of a result that observed something of their own: in place
// of a parallel step those that it is of, and those of every cell.
func judged(r *verdict.Result) (all []compared) {
	if r == nil {
		return nil
	}
	for _, s := range r.Each() {
		if s.Observation.Kind != verdict.Parallel {
			all = append(all, compared{titleOf(s.Observation), stepFacts(s)})
		}
	}
	for _, c := range r.Cells {
		for i := range c.Series {
			all = append(all, compared{titleIn(c, c.Series[i].Title), seriesFacts(&c.Series[i])})
		}
	}
	return all
}

// absence says why there is no step.
func absence(r *verdict.Result) string {
	switch {
	case r == nil:
		return "–"
	case r.Err != nil && isInterrupt(r.Err):
		return "interrupted"
	case r.Err != nil:
		return "could not run"
	case r.Skipped != "":
		return "skipped"
	}
	return "–"
}

// shortReleases are releases without what all of them end in, from a hyphen on:
// 6.1.0-56 and 6.12.117+deb12 for Debian's, both with -cloud-amd64.
func shortReleases(releases []string) []string {
	out := slices.Clone(releases)
	for {
		at := strings.LastIndexByte(out[0], '-')
		if at <= 0 {
			return out
		}
		tail := out[0][at:]
		for _, r := range out {
			if !strings.HasSuffix(r, tail) || len(r) == len(tail) {
				return out
			}
		}
		for i := range out {
			out[i] = strings.TrimSuffix(out[i], tail)
		}
	}
}

// tally counts the rows, and those that differ.
func (c *comparison) tally() (rows, differ int) {
	for _, g := range c.groups {
		for _, r := range g.rows {
			rows++
			if r.differs {
				differ++
			}
		}
	}
	return rows, differ
}

// conclusion says in a sentence how the kernels compare.
func (c *comparison) conclusion() string {
	rows, differ := c.tally()
	if differ == 0 {
		return fmt.Sprintf("The kernels do the same in %s: outcomes, packets, and times to %s.", count(rows, "step"), short(noise))
	}
	return fmt.Sprintf("≠ The kernels differ in %d of %s: in an outcome, in packets, or in a time by more than %s.", differ, count(rows, "step"), short(noise))
}

// KernelHeading writes the line above a kernel's results, and an empty one before
// it.
func KernelHeading(w io.Writer, release string, o Options) error {
	t := &text{Options: o, palette: palette{o.Color}}
	head := "── Linux " + inline(release, maxField) + " "
	if o.ASCII {
		head = "-- Linux " + inline(release, maxField) + " "
	}
	rule := "─"
	if o.ASCII {
		rule = "-"
	}
	t.line("")
	t.WriteString(t.strong(head) + t.dim(strings.Repeat(rule, max(t.width()-width(head), 0))) + "\n")
	_, err := w.Write(t.Bytes())
	return err
}
