package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxSeeds bounds how many failed seeds a text report names.
const maxSeeds = 20

// ExplorationText writes an exploration for a person: the share of each outcome of
// every step with the spread of its time, the seeds that failed, and how to see the
// first of them again. wall is the time that it took on the host's clock.
func ExplorationText(w io.Writer, e *Exploration, wall time.Duration, o Options) error {
	t := &text{Options: o, palette: palette{o.Color}}
	t.explorationHeading(e, wall)
	for _, s := range e.Shares() {
		t.line("")
		t.shares(s)
	}
	t.failures(e)
	_, err := w.Write(t.Bytes())
	return err
}

func (t *text) explorationHeading(e *Exploration, wall time.Duration) {
	state := t.good("ok")
	switch {
	case e.Failed() > 0:
		state = t.bad("FAILED")
	case e.Interrupted:
		state = t.warn("INTERRUPTED")
	}
	seeds := count(e.Done(), "seed")
	if e.Done() != e.Planned {
		seeds = fmt.Sprintf("%d of %s", e.Done(), count(e.Planned, "seed"))
	}
	t.line(t.strong(inline(e.Scenario.Name, maxField)) + "  " + state + "  " +
		t.dim(fmt.Sprintf("%s on Linux %s in %s", seeds, inline(e.Kernel, maxField), seconds(wall))))
}

// shares writes a step's outcomes: a row each, and what was not met.
func (t *text) shares(s StepShares) {
	t.line("  " + t.mark(s.Failed == 0) + " " + t.legible(s.Title))
	rows := make([][]string, 0, len(s.Outcomes)+1)
	rows = append(rows, []string{"", "", "", "", "min", "median", "p95", "max"})
	for _, o := range s.Outcomes {
		rows = append(rows, []string{
			inline(o.Outcome, maxField), percent(o.Count, s.Seeds), "(" + strconv.Itoa(o.Count) + ")", o.Time,
			short(time.Duration(o.MinNS)), short(time.Duration(o.MedianNS)), short(time.Duration(o.P95NS)), short(time.Duration(o.MaxNS)),
		})
	}
	t.grid("      ", rows)
	if s.Failed > 0 {
		var unmet []string
		for _, key := range slices.Sorted(maps.Keys(s.Unmet)) {
			unmet = append(unmet, fmt.Sprintf("%s in %d", inline(key, maxField), s.Unmet[key]))
		}
		t.indented("      ", fmt.Sprintf("Not as expected with %s: %s.", count(s.Failed, "seed"), list(unmet)))
	}
}

// grid writes rows in columns, the first and the fourth from the left, the others
// from the right. The first row is a heading.
func (t *text) grid(indent string, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, field := range row {
			widths[i] = max(widths[i], width(t.legible(field)))
		}
	}
	for n, row := range rows {
		line := indent
		for i, field := range row {
			field = t.legible(field)
			gap := strings.Repeat(" ", widths[i]-width(field))
			switch {
			case i == 0:
				line += field + gap
			case i == 3:
				line += "  " + t.dim(field) + gap
			case i == 2:
				line += " " + gap + field
			default:
				line += "  " + gap + field
			}
		}
		if n == 0 {
			line = t.dim(line)
		}
		t.line(line)
	}
}

// percent is a share with one decimal. It says 0% and 100% only of none and all.
func percent(n, of int) string {
	p := 100 * float64(n) / float64(of)
	switch {
	case n == of:
		return "100%"
	case p < 0.1:
		return "<0.1%"
	case p > 99.9:
		return ">99.9%"
	}
	return strconv.FormatFloat(p, 'f', 1, 64) + "%"
}

// failures names the seeds that failed, and says how to see the first one.
func (t *text) failures(e *Exploration) {
	t.line("")
	switch failed := e.failed(); {
	case e.Done() == 0:
		t.indented("", "No seed was run to its end.")
	case len(failed) == 0:
		t.indented("", fmt.Sprintf("Every expectation was met with %s.", each(e.Done())))
	default:
		var names []string
		for _, seed := range failed[:min(len(failed), maxSeeds)] {
			names = append(names, strconv.FormatUint(seed, 10))
		}
		text := fmt.Sprintf("%d of %s failed: %s", len(failed), count(e.Done(), "seed"), strings.Join(names, ", "))
		if more := len(failed) - len(names); more > 0 {
			text += fmt.Sprintf(", and %d more, which --json FILE lists", more)
		}
		t.indented("", text+".")
		if err := e.FirstFailure().Error; err != "" {
			t.indented("  ", block(firstLine(err)))
		}
		t.line("The first one again, in full, the same to the nanosecond:")
		t.line("  " + t.strong(inline(e.again(), maxCommand)))
	}
}

// maxCommand bounds a command line, in runes.
const maxCommand = 4096

func each(n int) string {
	if n == 1 {
		return "the one seed"
	}
	return fmt.Sprintf("each of %d seeds", n)
}
