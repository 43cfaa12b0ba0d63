package verdict

import (
	"fmt"
	"strings"

	"testbed/observe"
	"testbed/scenarios/spec"
)

// rewritten is met when a node changed packets of the step's connection as the
// expectation says.
func (j *judge) rewritten(want *spec.Rewritten) Check {
	c := Check{Key: "rewritten", Expected: rewrittenText(want), Observed: "nothing"}
	var all []string
	for _, r := range j.o.Rewrites {
		text := fmt.Sprintf("%s at %s: %s", r.Text(), r.Node, plural(r.Packets, "packet"))
		if changedAs(want, r) {
			c.OK, c.Observed = true, text
			return c
		}
		all = append(all, text)
	}
	c.Note = j.withUnseen("nothing was rewritten")
	if len(all) > 0 {
		c.Observed = strings.Join(all, "; ")
		c.Note = j.withUnseen(fmt.Sprintf("expected %s, observed %s", c.Expected, c.Observed))
	}
	return c
}

func changedAs(want *spec.Rewritten, r observe.Rewrite) bool {
	return (want.Node == "" || want.Node == r.Node) && want.Field == r.Field &&
		(want.From == "" || want.From == r.From) && (want.To == "" || want.To == r.To)
}

func rewrittenText(w *spec.Rewritten) string {
	text := string(w.Field)
	switch {
	case w.From != "" && w.To != "":
		text += " " + w.From + " → " + w.To
	case w.From != "":
		text += " from " + w.From
	case w.To != "":
		text += " to " + w.To
	}
	if w.Node != "" {
		text += " at " + w.Node
	}
	return text
}
