package report

import "testbed/agents"

// secured is an answer over TLS of a version.
func secured(version string, resumed, asked bool) *world {
	w := requestWorld(agents.Connected, "", 301*ms)
	w.obs.Status, w.obs.TLSVersion, w.obs.Resumed = 200, version, resumed
	w.step.HTTP.Resume = asked
	return w
}

func resumedCases() []storyCase {
	return []storyCase{
		{name: "TLS 1.2, resumed", world: secured("1.2", true, true)},
		{name: "TLS 1.3, resumed", world: secured("1.3", true, true)},
		{name: "TLS 1.3, not resumed", world: secured("1.3", false, true)},
	}
}
