package ladder

import (
	"testbed/netem"
	"testbed/observe"
)

// byFault names a fault, if there is one.
func byFault(name string) string {
	if name == "" {
		return ""
	}
	return " by fault " + name
}

// struck says what faults of links did with a packet, and whether one made it.
func struck(j *observe.Journey) (s []string) {
	for _, x := range j.Strikes {
		how := ""
		switch {
		case x.Do == netem.DelayPacket:
			how = "delayed " + x.By.String()
		case x.Do == netem.DuplicatePacket && x.By > 0:
			how = "duplicated " + x.By.String() + " later"
		case x.Do == netem.DuplicatePacket:
			how = "duplicated"
		default:
			continue // its end tells
		}
		s = append(s, how+byFault(x.Fault))
	}
	switch {
	case j.Made != nil:
		s = append(s, "made on "+j.Made.Link[0]+" – "+j.Made.Link[1]+byFault(j.Made.Fault))
	case !j.Left():
		s = append(s, "sent before")
	}
	return s
}
