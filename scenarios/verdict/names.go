package verdict

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"testbed/agents"
	"testbed/scenarios/spec"
	"testbed/topo"
)

// Query is a question to a resolver.
type Query struct {
	Type topo.RecordType
	// Server is the address that was asked, Node the node that has it, empty for
	// none.
	Server netip.Addr
	Node   string
	TCP    bool
	// At is when it was asked, from the beginning of the step.
	At, Elapsed time.Duration
	// Reply is a response code, an errno's name, "timed-out", "truncated", or
	// "abandoned".
	Reply     string
	Addresses []netip.Addr
}

// Attempt is one of several addresses that were tried.
type Attempt struct {
	To netip.AddrPort
	// Node is the one that has the address, empty for none.
	Node  string
	Local netip.AddrPort
	// At is when it began, from the beginning of the step, Elapsed until it ended or
	// was abandoned.
	At, Elapsed time.Duration
	Outcome     agents.Outcome
	Errno       string
}

// names adds the checks of how a name became a connection.
func (j *judge) names() {
	j.duration("resolve_time", j.e.ResolveTime, j.o.ResolveTime, "", func() string { return "no resolver was asked" })
	if len(j.e.Queries) > 0 {
		j.add(j.queries(j.e.Queries))
	}
	if j.e.ConnectedTo != "" {
		j.add(j.connectedTo(j.e.ConnectedTo))
	}
	if len(j.e.Attempts) > 0 {
		j.attempts(j.e.Attempts)
	}
}

// queries compares how many questions of each type were asked, every repetition
// counted.
func (j *judge) queries(want map[topo.RecordType]spec.Count) Check {
	c := Check{Key: "queries", OK: true}
	var expected, observed []string
	for _, t := range topo.RecordTypes {
		w, ok := want[t]
		if !ok {
			continue
		}
		n := 0
		for _, q := range j.o.Queries {
			if q.Type == t {
				n++
			}
		}
		expected, observed = append(expected, fmt.Sprintf("%s %s", t, countText(w))), append(observed, fmt.Sprintf("%s %d", t, n))
		c.OK = c.OK && within(w, n)
	}
	c.Expected, c.Observed = strings.Join(expected, ", "), strings.Join(observed, ", ")
	if !c.OK {
		c.Note = fmt.Sprintf("expected queries %s, observed %s", c.Expected, c.Observed)
	}
	return c
}

// connectedTo is met by a connection to a node or to an address.
func (j *judge) connectedTo(want string) Check {
	c := Check{Key: "connected_to", Expected: want, Observed: "none"}
	if j.o.Attempt != agents.Connected {
		c.Note = j.ended("no connection was established")
		return c
	}
	c.Observed = j.o.Remote.Addr().String()
	a, err := netip.ParseAddr(want)
	if c.OK = err == nil && a == j.o.Remote.Addr() || err != nil && want == j.o.Target; !c.OK {
		c.Note = fmt.Sprintf("expected a connection to %s, observed one to %s", want, c.Observed)
		if j.o.Target != "" {
			c.Note += " of " + j.o.Target
		}
	} else if err != nil {
		c.Observed, c.Note = want, c.Observed
	}
	return c
}

// attempts compares every attempt, in order: to whom and how it ended in one check,
// each of its times in one of its own.
func (j *judge) attempts(want []spec.AttemptExpect) {
	c := Check{Key: "attempts", OK: len(want) == len(j.o.Attempts)}
	var expected, observed []string
	for _, w := range want {
		expected = append(expected, attemptText(w.To, w.Family, w.Outcome))
	}
	for i := range j.o.Attempts {
		a, w := &j.o.Attempts[i], spec.AttemptExpect{Outcome: agents.Connected}
		if i < len(want) {
			w = want[i]
			c.OK = c.OK && a.meets(w)
		}
		observed = append(observed, a.text(w))
	}
	c.Expected, c.Observed = listed(expected), listed(observed)
	if !c.OK {
		c.Note = fmt.Sprintf("expected the attempts %s, observed %s", c.Expected, c.Observed)
	}
	j.add(c)
	for i, w := range want {
		j.attemptTimes(i, w)
	}
}

// meets tells whether an attempt is one that was expected, but for its times.
func (a *Attempt) meets(w spec.AttemptExpect) bool {
	to := w.To == "" || w.To == a.Node || w.To == a.To.Addr().String()
	return to && (w.Outcome == "" || w.Outcome == a.Outcome) && (w.Family == "" || w.Family == a.family())
}

func (a *Attempt) family() spec.Family {
	if a.To.Addr().Is4() {
		return spec.IPv4
	}
	return spec.IPv6
}

// text says of an attempt what is expected of it, and its address where no more is.
func (a *Attempt) text(w spec.AttemptExpect) string {
	to, family := a.To.Addr().String(), spec.Family("")
	if a.Node != "" && w.To == a.Node {
		to = a.Node
	}
	if w.Family != "" {
		family = a.family()
	}
	outcome := a.Outcome
	if w.Outcome == "" {
		outcome = ""
	}
	return attemptText(to, family, outcome)
}

// attemptTimes adds the checks of the times of one attempt.
func (j *judge) attemptTimes(i int, w spec.AttemptExpect) {
	var at, elapsed *time.Duration
	if i < len(j.o.Attempts) {
		at, elapsed = &j.o.Attempts[i].At, &j.o.Attempts[i].Elapsed
	}
	missing := func() string { return "there was no such attempt" }
	j.duration(fmt.Sprintf("attempt %d at", i+1), w.At, at, "", missing)
	j.duration(fmt.Sprintf("attempt %d elapsed", i+1), w.Elapsed, elapsed, "", missing)
}

func attemptText(to string, f spec.Family, o agents.Outcome) string {
	if f != "" {
		to += " by " + string(f)
	}
	return strings.TrimSpace(to + " " + string(o))
}

func listed(s []string) string {
	if len(s) == 0 {
		return "none"
	}
	return strings.Join(s, ", ")
}
