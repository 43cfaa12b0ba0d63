package report

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"testbed/agents"
	"testbed/observe"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

// named tells how a name became addresses, and which of these were tried: what comes
// before the story of the connection.
func (e *evidence) named() string {
	return paragraph(e.resolution(), e.tried())
}

// resolution tells what resolvers were asked and said.
func (e *evidence) resolution() string {
	if e.ResolveTime == nil {
		return ""
	}
	var parts []string
	for _, t := range []topo.RecordType{topo.AAAA, topo.A} {
		if s := e.asked(t); s != "" {
			parts = append(parts, s)
		}
	}
	name := inline(e.Name, maxField)
	switch {
	case e.Outcome == agents.NoSuchName:
		return paragraph(fmt.Sprintf("%s was not to be resolved: %s.", name, strings.Join(parts, "; ")),
			"No connection was attempted.", seenBy(e.Observation))
	case e.Outcome == agents.ResolutionFailed:
		return paragraph(fmt.Sprintf("%s was not resolved: %s. %s gave up after %s.", name, strings.Join(parts, "; "), e.client, short(*e.ResolveTime)),
			e.questionsLost(), seenBy(e.Observation))
	case len(e.Attempts) == 0:
		return paragraph(fmt.Sprintf("%s was not resolved before the step's own timeout ended the attempt after %s: %s.", name, short(e.Elapsed), strings.Join(parts, "; ")), e.questionsLost())
	}
	return fmt.Sprintf("%s was resolved after %s: %s.", name, short(*e.ResolveTime), strings.Join(parts, "; "))
}

// asked is what became of the questions of a type, in a clause.
func (e *evidence) asked(t topo.RecordType) string {
	var questions []verdict.Query
	for _, q := range e.Queries {
		if q.Type == t {
			questions = append(questions, q)
		}
	}
	if len(questions) == 0 {
		return ""
	}
	last := questions[len(questions)-1]
	who := inline(last.Node, maxField)
	if who == "" {
		who = last.Server.String()
	}
	text := fmt.Sprintf("%s, asked for %s", who, t)
	if n := len(questions); n > 1 {
		text = fmt.Sprintf("%s, asked for %s as question %d of %d", who, t, n, n)
	}
	after := short(last.Elapsed)
	switch last.Reply {
	case "NOERROR":
		return fmt.Sprintf("%s, answered after %s with %s", text, after, addressList(last.Addresses))
	case "NXDOMAIN":
		return fmt.Sprintf("%s, answered after %s that the name does not exist (NXDOMAIN)", text, after)
	case "timed-out":
		return fmt.Sprintf("%s, did not answer within %s", text, after)
	case "abandoned":
		return fmt.Sprintf("%s, had not answered after %s", text, after)
	case "ECONNREFUSED":
		return fmt.Sprintf("%s, has no resolver (ICMP port unreachable, after %s)", text, after)
	}
	return fmt.Sprintf("%s, ended with %s after %s", text, inline(last.Reply, maxField), after)
}

func addressList(all []netip.Addr) string {
	if len(all) == 0 {
		return "no address"
	}
	var s []string
	for _, a := range all {
		s = append(s, a.String())
	}
	return list(s)
}

// questionsLost says where questions or answers died.
func (e *evidence) questionsLost() string {
	var questions, answers []*observe.Journey
	for i := range e.Beside {
		j := &e.Beside[i]
		switch p := j.Packet(); {
		case p.UDP == nil || p.UDP.DNS == nil:
		case p.UDP.DNS.Response:
			answers = append(answers, j)
		default:
			questions = append(questions, j)
		}
	}
	if _, _, died := worst(questions); died {
		return account(questions, "question", "", "the resolver") + "."
	}
	if _, _, died := worst(answers); died {
		return account(answers, "answer", "", e.client) + "."
	}
	return ""
}

// tried tells of the attempts, where there were several.
func (e *evidence) tried() string {
	if len(e.Attempts) < 2 {
		return ""
	}
	how := "one address after the other"
	if e.raced() {
		how = "its addresses by Happy Eyeballs (RFC 8305)"
	}
	var parts []string
	for i := range e.Attempts {
		parts = append(parts, e.attemptOf(&e.Attempts[i]))
	}
	return fmt.Sprintf("%s tried %s: %s.", e.client, how, strings.Join(parts, "; "))
}

func (e *evidence) raced() bool {
	switch {
	case e.step == nil:
	case e.step.Connect != nil:
		return e.step.Connect.Family == spec.HappyEyeballs
	case e.step.HTTP != nil:
		return e.step.HTTP.Family == spec.HappyEyeballs
	}
	return false
}

// attemptOf is one of several attempts in a clause.
func (e *evidence) attemptOf(a *verdict.Attempt) string {
	to := a.To.Addr().String()
	if a.Node != "" {
		to += " of " + inline(a.Node, maxField)
	}
	text := fmt.Sprintf("from %s on %s, ", short(a.At.Round(time.Microsecond)), to)
	switch a.Outcome {
	case agents.Connected:
		text += "connected"
	case agents.Abandoned:
		text += "abandoned"
	case agents.TimedOut:
		text += "timed out"
	default:
		text += string(a.Outcome)
		if a.Errno != "" {
			text += " (" + inline(a.Errno, maxField) + ")"
		}
	}
	text += " after " + short(a.Elapsed)
	var syns []*observe.Journey
	for i := range e.Beside {
		j := &e.Beside[i]
		if p := j.Packet(); p.TCP != nil && p.Src == a.Local.Addr() && p.TCP.SrcPort == a.Local.Port() && isFlags(j, topo.SYN) {
			syns = append(syns, j)
		}
	}
	if _, _, died := worst(syns); died {
		text += " (" + uncapital(account(syns, "SYN", "", to)) + ")"
	}
	return text
}

// uncapital is the opposite of capital.
func uncapital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
