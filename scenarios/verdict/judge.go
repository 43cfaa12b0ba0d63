package verdict

import (
	"fmt"
	"strings"

	"testbed/agents"
	"testbed/observe"
	"testbed/scenarios/spec"
)

// Judge holds what a step observed against what it expects: one Check for each
// expectation, in a fixed order, and one for plain success unless an
// expectation says how the step must end. Neither argument may be nil.
//
// Plain success is: a connection is connected, an HTTP request is answered
// completely with a status below 400, a command exits with 0, an exchange is
// answered (or sent, or read to the end, where that is all it is to do), a
// transfer is transferred, and everything else is done without an error.
//
// A parallel step is as its own steps are, each of which has a verdict.
func Judge(step *spec.Step, obs *Observation) Verdict {
	if step.Parallel != nil {
		return judgeAll(step.Parallel.Steps, obs.Parallel)
	}
	e := step.Expect
	if e == nil {
		e = &spec.Expect{}
	}
	j := judge{e: e, o: obs}
	kernels := j.choose()
	j.success(step)
	j.ending()
	j.names()
	j.times()
	j.tls()
	j.transfer()
	j.packets()
	j.scan()
	j.flood()
	j.command()
	j.repetitions(step.Repeat)
	j.mark(kernels)
	v := Verdict{OK: true, Checks: j.checks}
	for i := range v.Checks {
		v.OK = v.OK && v.Checks[i].OK
	}
	return v
}

// judge collects the checks of one step.
type judge struct {
	e      *spec.Expect
	o      *Observation
	checks []Check
}

func (j *judge) add(c Check) { j.checks = append(j.checks, c) }

// success adds the check that the step succeeded in the plain sense, unless
// an expectation names the ending or can only be met by a failure.
func (j *judge) success(step *spec.Step) {
	if len(j.e.Outcomes) > 0 {
		return // they say which endings may be
	}
	switch j.o.Kind {
	case HTTP:
		j.httpSuccess()
	case Exec:
		if j.o.Background {
			j.add(j.running())
		} else if j.e.Exit == nil {
			j.add(j.count("exit", spec.Count{Text: "0"}, j.o.Exit))
		}
	case Exchange:
		if j.e.Outcome == "" && j.e.Error == "" && !expectsReset(j.e) {
			j.add(j.outcome(exchanged(step)))
		}
	case Transferring:
		if j.e.Outcome == "" && j.e.Error == "" {
			j.add(j.outcome(agents.Transferred))
		}
	case Await:
		if j.e.Outcome == "" && j.e.Error == "" {
			j.add(j.over())
		}
	case Scan: // see scan
	case Connect:
		if j.e.Outcome == "" && !expectsFailure(j.e) {
			j.add(j.outcome(agents.Connected))
		}
	default:
		if j.e.Outcome == "" && j.e.Error == "" {
			j.add(j.done())
		}
	}
}

// exchanged is how an exchange ends that does what it is to do.
func exchanged(step *spec.Step) agents.Outcome {
	if step.Exchange == nil {
		return agents.Answered
	}
	switch step.Exchange.Read {
	case spec.ReadNothing:
		return agents.Sent
	case spec.ReadEnd:
		return agents.Closed
	}
	return agents.Answered
}

// httpSuccess checks for an answer that is complete and below 400; a status
// that is named must still come with a complete answer.
func (j *judge) httpSuccess() {
	failure := j.e.Outcome != "" && j.e.Outcome != agents.Connected || expectsFailure(j.e)
	whole := j.o.Outcome == agents.Connected || j.o.Outcome == ""
	switch {
	case j.e.Status != nil && j.e.Outcome == "" && j.o.Status != 0 && !whole:
		j.add(j.outcome(agents.Connected))
		return
	case j.e.Status != nil || failure:
		return
	}
	c := Check{Key: "status", Expected: "< 400", Observed: j.status(), OK: j.o.Status > 0 && j.o.Status < 400 && whole}
	switch {
	case j.o.Status == 0:
		c.Note = j.ended("the request got no answer")
	case !whole:
		c.Note = j.ended("the answer is not complete")
	case !c.OK:
		c.Note = fmt.Sprintf("expected a status below 400, observed %d", j.o.Status)
	}
	j.add(c)
}

// expectsFailure tells whether e can only be met by a connection attempt that
// fails: it names an errno, who reset it, states of the client without ESTABLISHED, a
// handshake without SYN-ACK, no SYN-ACK at all, or the kernel's own end of it.
func expectsFailure(e *spec.Expect) bool {
	if e.Error != "" || givesUp(e) || expectsReset(e) {
		return true
	}
	if e.States != nil && len(e.States.Client) > 0 && !contains(e.States.Client, observe.Established) {
		return true
	}
	if len(e.Handshake) > 0 && !containsFold(e.Handshake, "SYN-ACK") {
		return true
	}
	c, ok := e.Packets["syn_ack"]
	return ok && c.Bound == spec.About && c.Value == 0
}

// expectsReset tells whether e names who sends the RST that ends the connection.
func expectsReset(e *spec.Expect) bool { return e.ResetBy != "" || e.ResetByLink != nil }

func contains(list []observe.State, s observe.State) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func containsFold(list []string, s string) bool {
	for _, x := range list {
		if strings.EqualFold(x, s) {
			return true
		}
	}
	return false
}

// ending adds the checks of how the step ended: outcome, error, status, exit.
func (j *judge) ending() {
	if j.e.Outcome != "" {
		j.add(j.outcome(j.e.Outcome))
	}
	if j.e.Error != "" {
		j.add(j.errno(j.e.Error))
	}
	if j.e.Status != nil {
		c := j.count("status", *j.e.Status, j.o.Status)
		if j.o.Status == 0 {
			c.Observed, c.OK, c.Note = j.status(), false, j.ended("the request got no answer")
		}
		j.add(c)
	}
	if j.e.Exit != nil {
		j.add(j.count("exit", *j.e.Exit, j.o.Exit))
	}
}

func (j *judge) outcome(want agents.Outcome) Check {
	c := Check{Key: "outcome", Expected: string(want), Observed: string(j.o.Outcome), OK: j.o.Outcome == want}
	if c.Observed == "" {
		c.Observed = "none"
	}
	why := j.reason()
	switch {
	case !c.OK:
		c.Note = fmt.Sprintf("expected %s, observed %s", c.Expected, c.Observed)
		if why != "" {
			c.Note += ": " + why
		}
	case j.o.Outcome == agents.TimedOut:
		c.Note = why
	}
	return c
}

func (j *judge) errno(want string) Check {
	got := j.o.Errno
	if got == "" {
		got = "none"
	}
	c := Check{Key: "error", Expected: want, Observed: got, OK: strings.EqualFold(want, got)}
	if !c.OK {
		c.Note = fmt.Sprintf("expected %s, observed %s", want, got)
		if j.o.Deadline {
			c.Note += ": " + j.reason()
		}
	}
	return c
}

// done is the check of a step that has no outcome of its own.
func (j *judge) done() Check {
	ok := j.o.Errno == "" && !j.o.Deadline && j.o.Outcome != agents.Failed
	c := Check{Key: "outcome", Expected: "done", Observed: "done", OK: ok}
	if !ok {
		c.Observed, c.Note = "failed", j.ended("the step did not succeed")
	}
	return c
}

// over is the check that a connection has ended, however.
func (j *judge) over() Check {
	ok := j.o.Outcome != "" && j.o.Outcome != agents.Failed && !j.o.Deadline
	c := Check{Key: "outcome", Expected: "ended", Observed: string(j.o.Outcome), OK: ok}
	if !ok {
		c.Observed, c.Note = "not ended", j.ended("the connection has not ended")
	}
	return c
}

func (j *judge) status() string {
	if j.o.Status == 0 {
		return "no answer"
	}
	return fmt.Sprint(j.o.Status)
}

// ended says how the step ended after what it means for an expectation.
func (j *judge) ended(what string) string {
	var s []string
	if j.o.Outcome != "" {
		s = append(s, "the outcome was "+string(j.o.Outcome))
	}
	if why := j.reason(); why != "" {
		s = append(s, why)
	}
	if len(s) == 0 {
		return what
	}
	return what + ": " + strings.Join(s, ", ")
}

// reason says what ended the step, empty when there is nothing to add to the
// outcome.
func (j *judge) reason() string {
	var s []string
	switch {
	case j.o.Deadline:
		s = append(s, "the step's own timeout passed first")
	case j.o.Errno == "ETIMEDOUT":
		s = append(s, "the kernel gave up with ETIMEDOUT")
	case j.o.Errno != "":
		s = append(s, "the error was "+j.o.Errno)
	}
	if j.o.Detail != "" {
		s = append(s, j.o.Detail)
	}
	return strings.Join(s, ", ")
}
