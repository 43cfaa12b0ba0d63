package verdict

import (
	"fmt"
	"slices"
	"strings"

	"testbed/netem"
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

// dropped is met when packets of the step's connection died where and why the
// expectation says. The packets' fates tell; a rule's counter counts other
// connections too, and speaks only where no packet can.
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

// losses are what the packets' fates tell, in order of first occurrence, then
// the rules that counted packets which nobody could see.
func (j *judge) losses() []loss {
	var all []loss
	index := map[observe.Drop]int{}
	add := func(d observe.Drop, packets int) {
		d.Answer = ""
		n, ok := index[d]
		if !ok {
			n = len(all)
			index[d] = n
			all = append(all, loss{drop: d, source: j.sourceOf(d)})
		}
		all[n].packets += uint64(packets)
	}
	for _, d := range j.drops() {
		add(d, 1)
	}
	if t := j.o.Transfer; t != nil {
		for _, l := range t.Lost {
			add(l.Drop, l.Packets)
		}
	}
	for _, r := range j.o.Rules {
		if r.Packets > 0 && r.Action.Discards() && j.unseen(r) {
			all = append(all, loss{
				drop:    observe.Drop{Node: r.Node, Cause: observe.ByRule, Rule: r.Rule},
				packets: r.Packets, source: observe.FromCounters,
			})
		}
	}
	return all
}

// drops are where the step's packets died, one for each.
func (j *judge) drops() (all []observe.Drop) {
	for _, js := range [][]observe.Journey{j.o.Journeys, j.o.Beside} {
		for i := range js {
			if f := js[i].Fate; !f.Delivered && !f.Pending && f.Drop != (observe.Drop{}) {
				all = append(all, f.Drop)
			}
		}
	}
	for i := range j.o.Ports {
		all = append(all, j.o.Ports[i].Drops...)
	}
	return all
}

// sourceOf is what tells of a drop: the counter of the rule that did it, if it
// was read.
func (j *judge) sourceOf(d observe.Drop) observe.Source {
	for _, r := range j.o.Rules {
		if d.Cause == observe.ByRule && r.Node == d.Node && slices.Contains(d.Rules(), r.Rule) && r.Packets > 0 {
			return observe.FromCounters
		}
	}
	return observe.FromPackets
}

// unseen tells whether a rule may have dropped packets before they could be seen:
// on the output hook of the step's own end, in a step whose packets are not
// followed, or while frames were missed.
func (j *judge) unseen(r observe.RuleCount) bool {
	return r.Hook == topo.Output || j.o.Kind == Exec || j.o.Unseen > 0
}

func matches(want *spec.Dropped, d observe.Drop) bool {
	if want.Node != "" && want.Node != d.Node {
		return false
	}
	if l := want.Link; l != nil && !joins(*l, d.Link) {
		return false
	}
	if want.Rule != "" && !slices.Contains(d.Rules(), want.Rule) || want.Fault != "" && want.Fault != d.Fault {
		return false
	}
	return want.Cause == "" || want.Cause == d.Cause || want.Cause == observe.Cause(netem.Lost) && d.Cause == observe.Burst
}

func (l loss) String() string {
	return placeText(l.drop) + ": " + plural(int(l.packets), "packet")
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
	case d.Fault != "":
		s = append(s, "by fault "+d.Fault)
	case d.Cause != "":
		s = append(s, "by "+string(d.Cause))
	}
	if len(s) == 0 {
		return "anywhere"
	}
	return strings.Join(s, " ")
}
