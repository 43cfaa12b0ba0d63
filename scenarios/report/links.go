package report

import (
	"slices"

	"testbed/netem"
	"testbed/observe"
	"testbed/scenarios/verdict"
)

// carried tells that the kernel carried the links, and what that means for a step.
func carried(by netem.MediumName, o *verdict.Observation) []string {
	if by != netem.Kernel || len(o.Journeys) == 0 {
		return nil
	}
	line := "Links: carried by the kernel's netem."
	if slices.ContainsFunc(o.Journeys, func(j observe.Journey) bool { return j.Fate.Drop.Link != [2]string{} }) {
		line += " It does not tell which packets it drops, so that why one died is from what the link was to do and had counted."
	}
	return []string{line}
}
