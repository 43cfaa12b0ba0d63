package verdict

import (
	"fmt"
	"strings"

	"testbed/observe"
	"testbed/scenarios/spec"
	"testbed/topo"
)

// loss is one place and reason for which packets of the step died.
type loss struct {
	drop    observe.Drop
	packets uint64
	source  observe.Source
}

// dropped is met when packets died where and why the expectation says. A rule's
// counter is proof of its own; the packets' fates tell of everything else.
func (j *judge) dropped(want *spec.Dropped) Check {
	c := Check{Key: "dropped", Expected: droppedText(want)}
	losses := j.losses()
	for _, l := range losses {
		if matches(want, l.drop) {
			c.OK, c.Observed, c.Note = true, l.String(), sourceNote(l.source)
			return c
		}
	}
	all := make([]string, len(losses))
	for i, l := range losses {
		all[i] = l.String()
	}
	c.Observed = "nothing"
	c.Note = j.withUnseen("nothing was dropped")
	if len(all) > 0 {
		c.Observed = strings.Join(all, "; ")
		c.Note = j.withUnseen(fmt.Sprintf("nothing was dropped %s, but %s", c.Expected, c.Observed))
	}
	return c
}

// losses are the rules that dropped or rejected and counted packets, then what
// else the packets' fates tell, in order of first occurrence.
func (j *judge) losses() []loss {
	var all []loss
	counted := map[[2]string]bool{}
	for _, r := range j.o.Rules {
		if r.Packets == 0 || r.Action != topo.DropPacket && r.Action != topo.Reject {
			continue
		}
		counted[[2]string{r.Node, r.Rule}] = true
		all = append(all, loss{
			drop:    observe.Drop{Node: r.Node, Cause: observe.ByRule, Rule: r.Rule},
			packets: r.Packets,
			source:  observe.FromCounters,
		})
	}
	index := map[observe.Drop]int{}
	for i := range j.o.Journeys {
		f := j.o.Journeys[i].Fate
		if f.Delivered || f.Pending || f.Drop == (observe.Drop{}) || counted[[2]string{f.Drop.Node, f.Drop.Rule}] {
			continue
		}
		d := f.Drop
		d.Answer = ""
		if n, ok := index[d]; ok {
			all[n].packets++
			continue
		}
		index[d] = len(all)
		all = append(all, loss{drop: d, packets: 1, source: observe.FromPackets})
	}
	return all
}

func matches(want *spec.Dropped, d observe.Drop) bool {
	if want.Node != "" && want.Node != d.Node {
		return false
	}
	if l := want.Link; l != nil && *l != d.Link && [2]string{l[1], l[0]} != d.Link {
		return false
	}
	if want.Rule != "" && want.Rule != d.Rule {
		return false
	}
	return want.Cause == "" || want.Cause == d.Cause
}

func (l loss) String() string {
	where := "at " + l.drop.Node
	if l.drop.Node == "" {
		where = "on " + l.drop.Link[0] + " – " + l.drop.Link[1]
	}
	why := string(l.drop.Cause)
	if l.drop.Rule != "" {
		why = "rule " + l.drop.Rule
	}
	return fmt.Sprintf("%s by %s: %s", where, why, plural(int(l.packets), "packet"))
}

func droppedText(d *spec.Dropped) string {
	var s []string
	switch {
	case d.Node != "":
		s = append(s, "at "+d.Node)
	case d.Link != nil:
		s = append(s, "on "+d.Link[0]+" – "+d.Link[1])
	}
	switch {
	case d.Rule != "":
		s = append(s, "by rule "+d.Rule)
	case d.Cause != "":
		s = append(s, "by "+string(d.Cause))
	}
	if len(s) == 0 {
		return "anywhere"
	}
	return strings.Join(s, " ")
}
