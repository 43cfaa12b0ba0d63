package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"testbed/agents"
	"testbed/scenarios/spec"
)

// whole adds the checks of all repetitions together.
func (j *judge) whole(samples []Sample) {
	for _, s := range j.e.Outcomes {
		j.add(share(s, samples))
	}
	for _, statistic := range []struct {
		key     string
		percent int
		list    []spec.TimeOfAll
	}{{"p50", 50, j.e.P50}, {"p95", 95, j.e.P95}, {"max", 100, j.e.Max}} {
		for i := range statistic.list {
			j.timeOfAll(statistic.key, statistic.percent, &statistic.list[i], samples)
		}
	}
}

// share is the check of how many repetitions had an outcome.
func share(want spec.OutcomeShare, samples []Sample) Check {
	n := ended(want.Outcome, samples)
	c := Check{
		Key: "outcomes", Expected: string(want.Outcome) + " " + want.Share.Text, OK: len(samples) > 0 && meetsShare(want.Share, n, len(samples)),
		Observed: string(want.Outcome) + " " + ShareText(n, len(samples)),
	}
	if !c.OK {
		c.Note = fmt.Sprintf("expected %s, observed %s: %s", c.Expected, c.Observed, otherEndings(samples))
	}
	return c
}

// ended counts the repetitions with an outcome.
func ended(o agents.Outcome, samples []Sample) (n int) {
	for i := range samples {
		if samples[i].Outcome == o {
			n++
		}
	}
	return n
}

// meetsShare compares n of all with a share. It multiplies rather than divides, so
// that 95% of 20 is 19.
func meetsShare(want spec.Share, n, all int) bool {
	const most = 1e-9
	off := func(share float64) float64 { return float64(n) - share*float64(all) }
	low := off(want.Value)
	switch want.Bound {
	case spec.AtMost:
		return low <= most
	case spec.Below:
		return low < -most
	case spec.AtLeast:
		return low >= -most
	case spec.Above:
		return low > most
	case spec.Within:
		return low >= -most && off(want.Upper) <= most
	}
	return -most <= low && low <= most
}

// ShareText is a number of all in words: "95% (19 of 20)".
func ShareText(n, all int) string {
	return fmt.Sprintf("%s (%d of %d)", Percent(n, all), n, all)
}

// Percent is a part of all to the tenth of a percent, such as 33.3%.
func Percent(n, all int) string {
	if all == 0 {
		return "0%"
	}
	s := strconv.FormatFloat(float64(n)/float64(all)*100, 'f', 1, 64)
	return strings.TrimSuffix(s, ".0") + "%"
}

// otherEndings says how all repetitions ended.
func otherEndings(samples []Sample) string {
	var all []Ending
	for i := range samples {
		all = count(all, string(samples[i].Outcome))
	}
	byCount(all)
	var words []string
	for _, e := range all {
		words = append(words, fmt.Sprintf("%d %s", e.Count, cmp.Or(e.Ending, "without an outcome")))
	}
	if words == nil {
		return "no repetition came to the step"
	}
	return "of all, " + strings.Join(words, ", ")
}

func count(all []Ending, ending string) []Ending {
	i := slices.IndexFunc(all, func(e Ending) bool { return e.Ending == ending })
	if i < 0 {
		return append(all, Ending{ending, 1})
	}
	all[i].Count++
	return all
}

func byCount(all []Ending) {
	slices.SortFunc(all, func(a, b Ending) int { return cmp.Or(b.Count-a.Count, cmp.Compare(a.Ending, b.Ending)) })
}

// timeOfAll adds the check of a percentile of a time.
func (j *judge) timeOfAll(key string, percent int, want *spec.TimeOfAll, samples []Sample) {
	times := timesOf(samples, want.Key)
	at := Percentile(times, percent)
	got := &at
	if len(times) == 0 {
		got = nil
	}
	j.duration(want.Key, &want.Duration, got, "", func() string { return "no repetition observed a " + want.Key })
	c := &j.checks[len(j.checks)-1]
	if strings.HasPrefix(c.Note, "expected ") {
		c.Note = "expected " + want.Key + strings.TrimPrefix(c.Note, "expected")
	}
	c.Key, c.Expected, c.Observed = key, want.Key+" "+c.Expected, want.Key+" "+c.Observed
}

// repetitions adds what is expected of a step that is performed so many times in a
// row: of each, and of all together.
func (j *judge) repetitions(times int) {
	if times < 2 {
		return
	}
	failed := 0
	for _, s := range j.o.Samples {
		if !s.OK {
			failed++
		}
	}
	if failed > 0 {
		j.add(Check{
			Key: "repeat", Expected: fmt.Sprintf("%d as expected", times), Observed: fmt.Sprintf("%d as expected", len(j.o.Samples)-failed),
			Note: fmt.Sprintf("expected %d repetitions to be as expected, observed %d: the first that is not is number %d", times, len(j.o.Samples)-failed, j.o.Repetition),
		})
	}
	j.whole(j.o.Samples)
}
