package report

import (
	"fmt"

	"testbed/agents"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

// Explain says in one paragraph what happened in a step, what that means, and
// what a person would have seen. If the step failed, its last sentence says
// what was expected and the likely reason for the difference.
//
// It reasons from the packets where there are any, and says when something is
// not known. The text has no line breaks and no control characters. step may
// be nil.
func Explain(step *spec.Step, obs *verdict.Observation, v verdict.Verdict) string {
	return explain(step, obs, v, nil, 0)
}

// ExplainStep is Explain of one step of a result. It knows the network as well, and
// so can say more.
func ExplainStep(r *verdict.Result, s *verdict.StepResult) string {
	return explain(s.Step, s.Observation, s.Verdict, topology(r), stoppedBefore(r, s.Observation))
}

func topology(r *verdict.Result) *topo.Topology {
	switch {
	case r.Plan != nil && r.Plan.Topology != nil:
		return r.Plan.Topology
	case r.Scenario != nil:
		return &r.Scenario.Topology
	}
	return nil
}

func explain(step *spec.Step, o *verdict.Observation, v verdict.Verdict, t *topo.Topology, stopped int) string {
	if o == nil {
		return ""
	}
	e := gather(step, o, v, t)
	e.stopped = stopped
	return paragraph(e.story(), e.rewritten(), e.struck(), e.difference())
}

// story is the paragraph without the verdict.
func (e *evidence) story() string {
	switch e.Kind {
	case verdict.Connect:
		return paragraph(e.named(), e.attempt())
	case verdict.HTTP:
		return paragraph(e.named(), e.request())
	case verdict.Exchange:
		return e.exchange()
	case verdict.Transferring:
		return e.transferred()
	case verdict.Await:
		return e.awaited()
	case verdict.Close:
		return paragraph(e.close(), e.remained())
	case verdict.Scan:
		return e.scanned()
	case verdict.Flood:
		return e.flooded()
	case verdict.Exec:
		return e.command()
	case verdict.Wait:
		return short(e.Elapsed) + " passed."
	case verdict.Set:
		return e.change()
	case verdict.Parallel:
		return e.sideBySide()
	}
	return ""
}

// attempt tells how a connection attempt went.
func (e *evidence) attempt() string {
	switch e.Outcome {
	case agents.Connected:
		return e.connected()
	case agents.Refused:
		return e.refused()
	case agents.TimedOut:
		return e.silent()
	case agents.HostUnreachable:
		return e.unreachable("host")
	case agents.NetworkUnreachable:
		return e.unreachable("network")
	case agents.Denied:
		return e.denied()
	case agents.Reset:
		return e.reset()
	case agents.NoSuchName, agents.ResolutionFailed, "":
		return ""
	}
	return e.otherError()
}

func (e *evidence) change() string {
	if f := e.failure("The change"); f != "" {
		return f
	}
	if e.step == nil || e.step.Set == nil || e.step.Set.Text == "" {
		return "The network was changed."
	}
	return "From now on: " + inline(e.step.Set.Text, maxField) + "."
}

// failure tells of a step that only had to be done and was not; empty if it
// was.
func (e *evidence) failure(what string) string {
	if e.Outcome != agents.Failed && e.Errno == "" {
		return ""
	}
	text := fmt.Sprintf("%s failed after %s", what, short(e.Elapsed))
	if e.Errno != "" {
		text += " with " + inline(e.Errno, maxField)
	}
	return text + e.detail() + "."
}
