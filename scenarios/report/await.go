package report

import (
	"fmt"
	"strings"

	"testbed/agents"
	"testbed/observe"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

// awaited tells how a connection ended that was waited for.
func (e *evidence) awaited() string {
	switch {
	case e.Deadline:
		return paragraph(fmt.Sprintf("The connection to %s had not ended after %s, when the step's own timeout ended the wait.", e.target, short(e.Elapsed)), e.repeated())
	case e.Outcome == agents.Closed:
		return paragraph(fmt.Sprintf("After %s %s closed its side of the connection with a FIN.", short(e.Elapsed), e.target), "A program reads end-of-file.")
	case e.Outcome == agents.Reset:
		return e.reset()
	case e.Outcome == agents.Failed:
		return e.failure("The wait for the end of the connection")
	case e.Errno == "":
		return ""
	}
	return paragraph(e.probed(), fmt.Sprintf("The kernel gave the connection up after %s with %s.", short(e.Elapsed), inline(e.Errno, maxField)), seenOnOpen(e.Observation))
}

// repeated tells of a handshake that the server still waits for.
func (e *evidence) repeated() string {
	if len(e.synAcks) == 0 {
		return ""
	}
	return fmt.Sprintf("Meanwhile %s sent its SYN-ACK again, %s: no ACK has reached it, and for it the connection is not established.", e.server, times(len(e.synAcks)))
}

// probed tells what became of the segments that asked whether anybody is there.
func (e *evidence) probed() string {
	if len(e.sent) > 0 {
		return account(e.sent, "segment", "", e.server) + "."
	}
	var probes []*observe.Journey
	for _, j := range e.acks {
		if j.Packet().TCP.Flags&(topo.ACK|topo.FIN|topo.RST|topo.SYN) == topo.ACK {
			probes = append(probes, j)
		}
	}
	if len(probes) == 0 {
		return ""
	}
	return account(probes, "keepalive probe", "", e.server) + "."
}

// remained tells how long an end that closed was in states that outlive its
// program.
func (e *evidence) remained() string {
	var parts []string
	before := ""
	for _, s := range []struct {
		state  observe.State
		lasted *verdict.Lasted
	}{{observe.FinWait2, e.FinWait2}, {observe.TimeWait, e.TimeWait}} {
		if s.lasted == nil {
			continue
		}
		node := e.client + " was"
		if s.lasted.Server {
			node = e.server + " was"
		}
		if node == before {
			node = "then"
		} else {
			before = node
		}
		parts = append(parts, fmt.Sprintf("%s in %s for %s", node, s.state, short(s.lasted.Duration)))
	}
	text := ""
	if len(parts) > 0 {
		text = strings.Join(parts, ", ") + "."
	}
	if e.Deadline {
		text = paragraph(text, fmt.Sprintf("The step's own timeout ended the watch after %s, before each end was where it was to come to.", short(e.Elapsed)))
	}
	return text
}
