package run

import (
	"time"

	"testbed/netem"
	"testbed/observe/journey"
)

// crossed is what has crossed every link, by link and side; nil where the medium
// tells of each frame that it drops, and there is nothing more to know.
func (l *Lab) crossed() [][2]netem.Counters {
	if l.net.Tells() {
		return nil
	}
	all := make([][2]netem.Counters, len(l.net.Plan.Links))
	for link := range all {
		for side := range all[link] {
			all[link][side] = l.net.Counters(link, netem.Side(side))
		}
	}
	return all
}

// counts are what the links have counted since the watch began, for a trace of
// frames that are read afterwards.
func (w *watch) counts() [][2]journey.Count {
	at := time.Now()
	now := w.lab.crossed()
	counts := make([][2]journey.Count, len(now))
	for link := range now {
		for side, n := range now[link] {
			before, c := w.crossed[link][side], &counts[link][side]
			c.Dropped, c.Overflowed = n.Dropped-before.Dropped, n.Overflowed-before.Overflowed
			if n.In+n.Duplicated == n.Delivered+n.Dropped {
				c.AtRest = at
			}
		}
	}
	return counts
}
