package journey

import (
	"slices"

	"testbed/observe"
	"testbed/topo"
)

// Rewrites tells what nodes changed in packets on their way, in order of first
// occurrence. What a link damaged is none of it.
func Rewrites(p *topo.Plan, js []observe.Journey) (all []observe.Rewrite) {
	for i := range js {
		for _, r := range js[i].Rewrites(func(s *observe.Sighting) string { return Node(p, s) }) {
			known := slices.IndexFunc(all, func(o observe.Rewrite) bool {
				return o.Node == r.Node && o.Field == r.Field && o.From == r.From && o.To == r.To
			})
			if known < 0 {
				all = append(all, r)
			} else {
				all[known].Packets++
			}
		}
	}
	return all
}
