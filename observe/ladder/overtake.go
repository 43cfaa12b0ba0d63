package ladder

import (
	"slices"
	"time"

	"testbed/netem"
	"testbed/observe"
)

// crossed is a packet that crossed a link.
type crossed struct {
	packet      int
	sent, there time.Time
}

// overtakings counts, for each packet, how many it overtook: that a link took
// before it and delivered after it.
func overtakings(js []*observe.Journey) []int {
	type way struct {
		link int
		to   netem.Side
	}
	ways := map[way][]crossed{}
	for i, j := range js {
		sent := map[way]time.Time{}
		for k := range j.Sightings {
			s := &j.Sightings[k]
			if s.Sent {
				sent[way{s.Link, s.Side.Other()}] = s.Time
				continue
			}
			w := way{s.Link, s.Side}
			if at, ok := sent[w]; ok {
				ways[w] = append(ways[w], crossed{i, at, s.Time})
				delete(sent, w)
			}
		}
	}
	counts := make([]int, len(js))
	for _, w := range ways {
		for _, x := range overtakers(w) {
			counts[x]++
		}
	}
	return counts
}

// overtakers names a packet once for each that it overtook in one direction.
func overtakers(all []crossed) (packets []int) {
	slices.SortStableFunc(all, func(a, b crossed) int { return a.sent.Compare(b.sent) })
	// latest[i] is when the last of the first i packets arrived.
	latest := make([]time.Time, len(all)+1)
	for i, x := range all {
		latest[i+1] = slices.MaxFunc([]time.Time{latest[i], x.there}, time.Time.Compare)
		for k := i; k > 0 && latest[k].After(x.there); k-- {
			if before := all[k-1]; before.there.After(x.there) && before.sent.Before(x.sent) {
				packets = append(packets, x.packet)
			}
		}
	}
	return packets
}
