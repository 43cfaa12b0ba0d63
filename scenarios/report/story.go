package report

import (
	"fmt"
	"strings"

	"testbed/agents"
	"testbed/observe"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

// storyIndent is where a step's story stands.
const storyIndent = "      "

// story writes the diagram, the paragraph, the command's output, and where it
// all was observed.
func (t *text) story(s *verdict.StepResult) {
	o := s.Observation
	t.space()
	if len(o.Samples) > 0 {
		t.indented(storyIndent, which(o.Repetition, len(o.Samples), s.Verdict.OK)+":")
		t.space()
	}
	if d := t.diagram(s); d != "" {
		for l := range strings.SplitSeq(strings.TrimRight(d, "\n"), "\n") {
			t.line(storyIndent + l)
		}
		t.space()
	}
	if p := ExplainStep(t.result, s); p != "" {
		t.indented(storyIndent, p)
		t.space()
	}
	if o.Kind == verdict.Exec {
		t.output("stdout", o.Stdout)
		t.output("stderr", o.Stderr)
	}
	from := append(sources(o), carried(t.result.Links, o)...)
	from = append(from, computed(s.Verdict)...)
	for _, l := range append(from, chosen(s.Step, o)...) {
		for j, part := range t.wrap(l, t.width()-len(storyIndent)-2) {
			if j > 0 {
				part = "  " + part
			}
			t.line(storyIndent + t.dim(part))
		}
	}
	t.space()
}

// output writes what a command wrote, its last lines if there are many.
func (t *text) output(name, s string) {
	s = strings.TrimRight(s, "\n")
	if s == "" {
		return
	}
	lines := strings.Split(block(s), "\n")
	t.line(storyIndent + t.dim(name+":"))
	if n := len(lines) - maxLines; n > 0 {
		t.line(storyIndent + t.dim(fmt.Sprintf("│ … %s before", count(n, "line"))))
		lines = lines[n:]
	}
	for _, l := range lines {
		t.line(storyIndent + t.dim("│ ") + cut(t.legible(strings.ReplaceAll(l, "\t", "    ")), t.width()-len(storyIndent)-2))
	}
	t.space()
}

// sources tells what observed a step: where the states and times come from,
// which rules matched, and what the capture missed.
func sources(o *verdict.Observation) []string {
	var out []string
	if from := stateSources(o); from != "" {
		out = append(out, from)
	}
	switch {
	case o.ConnectTime == nil || o.ConnectSource != observe.FromAgent || len(o.Journeys) == 0:
	case o.Kind == verdict.HTTP && len(o.Attempts) > 0 && o.Attempt == agents.Connected:
		out = append(out, "Connect time: by the agent's own clock, from the start of the step, with the resolution of the name and every attempt.")
	default:
		out = append(out, "Connect time: by the agent's own clock, as no packet ended the attempt.")
	}
	if o.Resolution > 0 {
		out = append(out, fmt.Sprintf("Ends of TIME-WAIT and FIN-WAIT-2: by sock_diag, asked every %s.", short(o.Resolution)))
	}
	if o.AcceptTime != nil && o.AcceptSource != o.StateSource {
		out = append(out, "Accept time: "+strings.Trim(sourceName(o.AcceptSource), "()")+".")
	}
	if rules := ruleCounts(o.Rules); rules != "" {
		if o.RulesShared {
			rules += " They count the packets of all steps that ran at that time."
		}
		out = append(out, rules)
	}
	if s := undrawn(o); s != "" {
		out = append(out, s)
	}
	if o.Unseen > 0 {
		out = append(out, fmt.Sprintf("Not seen: %s that the capture had to leave out, so packet counts may be too low.", count(int(o.Unseen), "frame")))
	}
	return out
}

// computed says what the timeouts of the kernel's that a step expects were computed
// from.
func computed(v verdict.Verdict) (out []string) {
	for _, c := range v.Checks {
		if c.From != "" {
			out = append(out, fmt.Sprintf("Expected %s: computed from %s.", inline(c.Key, maxField), inline(c.From, maxField)))
		}
	}
	return out
}

func stateSources(o *verdict.Observation) string {
	if len(o.ClientStates)+len(o.ServerStates) == 0 {
		return ""
	}
	var ends []string
	for _, s := range []struct {
		name    string
		changes []observe.StateChange
	}{{o.From, o.ClientStates}, {o.Target, o.ServerStates}} {
		if len(s.changes) == 0 {
			continue
		}
		var states []string
		for _, c := range s.changes {
			states = append(states, string(c.State))
		}
		ends = append(ends, strings.TrimSpace(inline(s.name, maxField)+" "+strings.Join(states, ", ")))
	}
	return "States: " + strings.Join(ends, "; ") + " " + sourceName(o.StateSource) + "."
}

func sourceName(s observe.Source) string {
	switch s {
	case observe.FromTracepoint:
		return "(from the kernel's tracepoint sock:inet_sock_set_state)"
	case observe.FromPackets:
		return "(derived from the packets; the tracepoint was not available)"
	case observe.FromAgent:
		return "(by the agent's own clock)"
	case "":
		return ""
	}
	return "(from " + string(s) + ")"
}

func ruleCounts(rules []observe.RuleCount) string {
	var out []string
	for _, r := range rules {
		if r.Packets == 0 {
			continue
		}
		action := r.Action
		if action == "" {
			action = topo.Accept
		}
		out = append(out, fmt.Sprintf("%s at %s (%s) %s", inline(r.Rule, maxField), inline(r.Node, maxField), action, count(int(r.Packets), "packet")))
	}
	if len(out) == 0 {
		return ""
	}
	return "Rules that matched: " + strings.Join(out, "; ") + "."
}
