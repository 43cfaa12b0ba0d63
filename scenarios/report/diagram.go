package report

import (
	"slices"

	"testbed/observe"
	"testbed/observe/ladder"
	"testbed/scenarios/verdict"
)

// diagram draws the packets of a step; empty if none were seen.
func (t *text) diagram(s *verdict.StepResult) string {
	o := s.Observation
	if len(o.Journeys)+len(o.Beside) == 0 {
		return ""
	}
	at := gather(s.Step, o, s.Verdict, topology(t.result)).places
	name := func(e end) string {
		if n := at[e]; n != "" {
			return n
		}
		return "?"
	}
	d := ladder.After(o.Earlier, presentable(slices.Concat(o.Journeys, o.Beside)), o.Path.Nodes, func(link int) [2]string {
		return [2]string{name(end{link, 0}), name(end{link, 1})}
	})
	return d.Render(ladder.Options{Width: t.width() - len(storyIndent), ASCII: t.ASCII, Style: t.ladderStyle()})
}

// presentable copies packets with names that are fit for a line of the diagram.
func presentable(journeys []observe.Journey) []observe.Journey {
	out := slices.Clone(journeys)
	for i := range out {
		d := &out[i].Fate.Drop
		d.Node, d.Rule, d.Answer = inline(d.Node, maxQuote), inline(d.RuleText(), maxQuote), inline(d.Answer, maxQuote)
		d.Or = ""
		d.Fault = inline(d.Fault, maxQuote)
	}
	return out
}

// ladderStyle is how the diagram's parts are painted, nothing without colours.
func (p palette) ladderStyle() ladder.Style {
	if !p.on {
		return ladder.Style{}
	}
	return ladder.Style{
		Name: p.strong, Time: p.dim, Line: p.dim,
		Retransmission: p.warn, Reset: p.bad, ICMP: p.warn, Dead: p.bad, Gap: p.dim,
	}
}
