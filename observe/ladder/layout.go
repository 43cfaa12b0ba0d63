package ladder

import "time"

const (
	// minGap and maxGap are the least and most columns of the terminal from one
	// node's line to the next.
	minGap, maxGap = 6, 46
	// edgeName is how much of the first and last node's name may widen the
	// margins.
	edgeName = 15
)

// layout is where things are in a line.
type layout struct {
	scale
	// x are the nodes' lines, names what is written above them.
	x     []int
	names []string
	// sentEnd is where the times of sending end, arrivedEnd where those of
	// arrival do; arrivals tells whether there are any.
	sentEnd, arrivedEnd int
	arrivals            bool
	// width is where lines end.
	width int
}

func newLayout(d Diagram, total int, ellipsis string) layout {
	l := layout{width: total}
	var latest time.Duration
	for i := range d.Arrows {
		latest = max(latest, d.Arrows[i].Sent, d.Arrows[i].Arrived)
	}
	l.scale = scaleFor(latest)
	l.sentEnd = max(width(l.format(latest)), width("sent")) + 1
	for i := range d.Arrows {
		l.arrivals = l.arrivals || l.arrival(&d.Arrows[i]) != ""
	}
	n := len(d.Columns)
	left := l.sentEnd + 2 + min(width(d.Columns[0]), edgeName)/2
	right := min(width(d.Columns[n-1]), edgeName) - min(width(d.Columns[n-1]), edgeName)/2
	if l.arrivals {
		right = max(right+2+width("arrived"), 3+width(l.format(latest)))
	}
	step := maxGap
	if n > 1 {
		step = min(max((total-left-right)/(n-1), minGap), maxGap)
	}
	for i, name := range d.Columns {
		l.x = append(l.x, left+i*step)
		most := step - 1
		if i == 0 || i == n-1 {
			most = min(most, edgeName)
		}
		l.names = append(l.names, abbreviate(name, most, ellipsis))
	}
	l.arrivedEnd = l.x[n-1] + right
	l.width = max(l.width, l.arrivedEnd)
	return l
}

// arrival is when an arrow arrived in words, empty where that is not known or
// looks the same as when it was sent.
func (l *layout) arrival(a *Arrow) string {
	if a.Arrived < 0 {
		return ""
	}
	if s := l.format(a.Arrived); s != l.format(a.Sent) {
		return s
	}
	return ""
}
