package report

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"testbed/scenarios/verdict"
)

// ofAll are the keys of checks about all repetitions together.
var ofAll = []string{"outcomes", "p50", "p95", "max", "repeat"}

// multiple is how often something is done: "×20".
func multiple(n int) string { return fmt.Sprintf("×%d", n) }

// which says which of several repetitions is told of.
func which(repetition, all int, ok bool) string {
	if ok {
		return fmt.Sprintf("Repetition %d of %d", repetition, all)
	}
	return fmt.Sprintf("Repetition %d of %d, the first that is not as expected", repetition, all)
}

// seriesItems are how the repetitions of a step ended, how long they took, and what
// was expected of them together and met.
func seriesItems(s *verdict.StepResult) []string {
	series := inARow("", s)
	items := []string{endings(series)}
	for _, key := range series.Keys {
		if times := series.Times(key); len(times) > 0 {
			items = append(items, fmt.Sprintf("%s p50 %s, p95 %s, max %s", key,
				short(verdict.Percentile(times, 50)), short(verdict.Percentile(times, 95)), short(verdict.Percentile(times, 100))))
		}
	}
	for _, c := range s.Verdict.Checks {
		if c.OK && slices.Contains(ofAll, c.Key) {
			items = append(items, passed(c))
		}
	}
	return items
}

// onlyEnding is how the only repetition of a step ended.
func onlyEnding(s *verdict.Series) string {
	for _, e := range s.Endings() {
		if e.Ending != "" {
			return inline(e.Ending, maxField)
		}
	}
	return "done"
}

// endings are the ways in which a step ended with their shares: "connected 95%,
// timed-out 5%".
func endings(s *verdict.Series) string {
	var words []string
	for _, e := range s.Endings() {
		if e.Ending == "" {
			e.Ending = "done"
		}
		words = append(words, inline(e.Ending, maxField)+" "+verdict.Percent(e.Count, len(s.Samples)))
	}
	return strings.Join(words, ", ")
}

// titleIn is a step's title with the values of the cell that it was performed in.
func titleIn(c *verdict.Result, title string) string {
	title = inline(title, maxField)
	if c.Scenario == nil || c.Scenario.CellName() == "" {
		return title
	}
	return title + " [" + inline(c.Scenario.CellName(), maxField) + "]"
}

// inARow are the repetitions of a step that is performed several times in a row.
func inARow(label string, s *verdict.StepResult) *verdict.Series {
	o := s.Observation
	return &verdict.Series{
		Label: label, Kind: o.Kind, Title: titleOf(o), Keys: verdict.KeysOf(s.Step, o.Kind), Samples: o.Samples, Verdict: verdict.Verdict{OK: s.Verdict.OK},
	}
}

// shellWord is a text as one word for a shell.
func shellWord(s string) string {
	if s != "" && !strings.ContainsFunc(s, isSpecial) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func isSpecial(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_./+:@%=,", r)
}
