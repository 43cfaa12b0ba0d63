package report

import (
	"fmt"

	"testbed/observe"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

// refusedByLink tells of a fault that answered the SYN, or the SYN-ACK.
func (e *evidence) refusedByLink(a answer) string {
	means := e.refusalMeans(a)
	if len(delivered(e.syns)) > 0 {
		means = fmt.Sprintf("The SYN reached %s, which answered; to %s this looks exactly like a closed port.", e.server, e.client)
	}
	return paragraph(fmt.Sprintf("The connection to %s was refused after %s, but not by %s: %s.", e.target, short(e.Elapsed), e.server, e.madeReset(a.made)),
		e.ttlTells(), means, seenBy(e.Observation))
}

// madeReset says who made a RST on a link, as a clause.
func (e *evidence) madeReset(by *observe.Strike) string {
	return fmt.Sprintf("fault %s of the link from %s to %s sent the RST in its name, as a middlebox does that does not want the connection",
		inline(by.Fault, maxField), inline(by.Link[0], maxField), inline(by.Link[1], maxField))
}

// ttlTells says what the hop limit of the RST that ended the connection tells, where
// there are routers on the way.
func (e *evidence) ttlTells() string {
	r, routers := verdict.ResetOf(e.Observation), len(e.Path.Return)-2
	switch {
	case r == nil || r.TTL == 0 || routers < 1 || r.Sender == e.From:
		return ""
	case r.Hops == routers:
		return fmt.Sprintf("The RST arrived with a TTL of %d: it crossed %s, as many as there are on the way from %s.", r.TTL, count(r.Hops, "router"), e.server)
	}
	return fmt.Sprintf("Its TTL gives the sender away: it arrived with %d and so crossed %s, where what %s sends crosses %d.", r.TTL, count(r.Hops, "router"), e.server, routers)
}

// closedPort says why nothing listens.
func (e *evidence) closedPort() string {
	if e.stopped > 0 {
		return fmt.Sprintf("The host is up and reachable, but its service has stopped: nothing listens on that port any more since step %d.", e.stopped)
	}
	return "The host is up and reachable, but nothing listens on that port: it is closed."
}

// serviceGone adds that the service of an open connection has stopped.
func (e *evidence) serviceGone() string {
	if e.stopped == 0 {
		return ""
	}
	return fmt.Sprintf("Its service has stopped: nothing listens on that port since step %d.", e.stopped)
}

// stoppedBefore is the number of the step before another one that stopped the service
// which that is aimed at; 0 if it runs, or never did.
func stoppedBefore(r *verdict.Result, o *verdict.Observation) (step int) {
	t := topology(r)
	if o == nil || t == nil {
		return 0
	}
	n := t.NodeIndex(o.Target)
	if n < 0 {
		return 0
	}
	listens := func(all []topo.Listener) bool {
		for _, l := range all {
			if l.Port == o.Remote.Port() {
				return true
			}
		}
		return false
	}
	runs := listens(t.Nodes[n].Listen)
	for k := range r.Steps {
		s := r.Steps[k].Step
		if k+1 >= o.Step || s == nil || s.Set == nil || s.Set.Node != o.Target || s.Set.Listen == nil {
			continue
		}
		switch now := listens(*s.Set.Listen); {
		case now:
			runs, step = true, 0
		case runs:
			runs, step = false, k+1
		}
	}
	return step
}
