package run

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"testbed/observe"
	"testbed/observe/journey"
	"testbed/observe/kernel"
	"testbed/scenarios/verdict"
)

// traceStates opens the process's one tracer beside the caller's work. What it
// returns waits for it; the tracer is nil where the kernel does not allow one.
func traceStates() func() *kernel.Tracer {
	done := make(chan *kernel.Tracer, 1)
	go func() { done <- sharedTracer() }()
	return sync.OnceValue(func() *kernel.Tracer { return <-done })
}

// sharedTracer lives as long as the process: many networks share it.
var sharedTracer = sync.OnceValue(func() *kernel.Tracer {
	t, err := kernel.Open()
	if err != nil {
		return nil
	}
	return t
})

// watchStates has the tracer record every node's sockets.
func (l *Lab) watchStates() error {
	return l.eachTraced((*kernel.Tracer).Watch)
}

func (l *Lab) forgetStates() error {
	return l.eachTraced((*kernel.Tracer).Forget)
}

func (l *Lab) eachTraced(f func(t *kernel.Tracer, netns uint64) error) error {
	t := l.tracer()
	if t == nil {
		return nil
	}
	var errs []error
	for _, n := range l.net.Nodes {
		errs = append(errs, f(t, n.NS.Inode()))
	}
	return errors.Join(errs...)
}

// states are those of both ends: from the tracepoint where it is allowed. A
// server's SYN-RECEIVED always comes from the packets, because a connection
// request has no socket of its own yet (net/ipv4/tcp_minisocks.c).
//
// In a step that waits for the connection's end or brings it about, they are those
// since the step began.
func (w *watch) states(o *verdict.Observation, c *connection, js []observe.Journey) (client, server []observe.StateChange, from observe.Source) {
	var derived bothEnds
	derived.client, derived.server = journey.States(w.lab.net.Plan, js, w.ends(c), failedAt(o))
	mark := w.state
	if o.Kind == verdict.Await || o.Kind == verdict.Close {
		derived, mark = bothEnds{since(derived.client, o.Began), since(derived.server, o.Began)}, c.states
	}
	seen, from := w.traced(o, c, js, derived, mark)
	if c.closing == nil {
		seen = bothEnds{withTimeWait(seen.client, derived.client), withTimeWait(seen.server, derived.server)}
	}
	return c.closing.complete(seen.client, derived.client, false), c.closing.complete(seen.server, derived.server, true), from
}

// bothEnds are the states of a connection's ends.
type bothEnds struct{ client, server []observe.StateChange }

// withTimeWait puts TIME-WAIT where the tracepoint has CLOSED, because the socket
// becomes a smaller one there (tcp_time_wait in net/ipv4/tcp_minisocks.c), and the
// packets tell that it is no other end.
func withTimeWait(seen, derived []observe.StateChange) []observe.StateChange {
	n, m := len(seen)-1, len(derived)-1
	if n < 0 || m < 0 || seen[n].State != observe.Closed || derived[m].State != observe.TimeWait {
		return seen
	}
	return append(slices.Clone(seen[:n]), derived[m])
}

// failedAt is when the client's socket came to its end without a packet, zero if
// it did not.
func failedAt(o *verdict.Observation) time.Time {
	attempt := o.Kind == verdict.Connect || o.Kind == verdict.HTTP
	if attempt && (o.Errno != "" || o.Deadline) || o.Errno == unix.ErrnoName(unix.ETIMEDOUT) {
		return o.Began.Add(o.Elapsed)
	}
	return time.Time{}
}

// since are the changes from a moment on.
func since(changes []observe.StateChange, began time.Time) []observe.StateChange {
	return slices.DeleteFunc(changes, func(c observe.StateChange) bool { return c.Time.Before(began) })
}

// traced are the states from the tracepoint since a mark, in place of those that
// the packets tell, where it is allowed.
func (w *watch) traced(o *verdict.Observation, c *connection, js []observe.Journey, derived bothEnds, mark int) (bothEnds, observe.Source) {
	t := w.lab.tracer()
	if t == nil || t.Lost() > w.lostStates || t.Forgotten(mark) > 0 {
		return derived, observe.FromPackets
	}
	changes := t.Since(mark)
	seen := bothEnds{trace(changes, w.lab.net.Nodes[c.from].NS.Inode(), c.local, c.remote), derived.server}
	if c.target >= 0 {
		seen.server = afterRequest(derived.server, trace(changes, w.lab.net.Nodes[c.target].NS.Inode(), serverEnd(js, o.Target, w), o.SeenAddr))
	}
	whole, ok := toEnd(o, seen.client, derived.client)
	if !ok {
		return derived, observe.FromPackets
	}
	seen.client = whole
	return seen, observe.FromTracepoint
}

// toEnd adds the end of a socket that failed where the tracepoint lacks it: kernel and
// tracer now and then lose one of a timer without counting it, and it would be told as a
// state that was not entered. The agent knows of it, because the kernel closes a socket
// before it hands its error out (tcp_write_err in net/ipv4/tcp_timer.c). It is false
// where more is lacking.
func toEnd(o *verdict.Observation, seen, derived []observe.StateChange) (whole []observe.StateChange, ok bool) {
	n := len(derived) - 1
	if failedAt(o).IsZero() || n < 0 || derived[n].State != observe.Closed {
		return seen, true
	}
	if k := len(seen) - 1; k >= 0 && seen[k].State == observe.Closed {
		return seen, true
	}
	same := func(a, b observe.StateChange) bool { return a.State == b.State }
	if !slices.EqualFunc(seen, derived[:n], same) {
		return nil, false
	}
	return append(slices.Clone(seen), derived[n]), true
}

// afterRequest puts SYN-RECEIVED, of which only packets tell where a listener received
// the connection, before the states that a server's socket was seen to enter.
func afterRequest(derived, seen []observe.StateChange) []observe.StateChange {
	if len(derived) == 0 || derived[0].State != observe.SynReceived || find(seen, observe.SynReceived) >= 0 {
		return seen
	}
	return append(derived[:1:1], seen...)
}

// serverEnd is the server's own address and port as its socket has them.
func serverEnd(js []observe.Journey, target string, w *watch) netip.AddrPort {
	for i := range js {
		last := js[i].Last()
		if !last.Sent && !last.Corrupted && last.Packet.TCP != nil && w.lab.net.Plan.Topology.Links[last.Link].Ends[last.Side] == target {
			return netip.AddrPortFrom(last.Packet.Dst, last.Packet.TCP.DstPort)
		}
	}
	return netip.AddrPort{}
}

// trace selects one socket's changes. Of a socket that got no further than SYN-SENT, and
// whose end the tracer missed, it has a change without the port, which the kernel chose
// later: that is taken for this one's unless another's may be meant.
func trace(changes []kernel.Change, netns uint64, local, remote netip.AddrPort) []observe.StateChange {
	if own := between(changes, netns, local, remote); own != nil {
		return own
	}
	portless := between(changes, netns, netip.AddrPortFrom(local.Addr(), 0), remote)
	if len(portless) == 1 && portless[0].State == observe.SynSent {
		return portless
	}
	return nil
}

// between selects the changes of the sockets with these ends.
func between(changes []kernel.Change, netns uint64, local, remote netip.AddrPort) (out []observe.StateChange) {
	for _, c := range changes {
		if c.Netns != netns || c.Local != local || c.Remote != remote || c.New == observe.SynReceived && c.Old != observe.SynSent {
			continue
		}
		out = append(out, observe.StateChange{Time: c.Time, State: c.New})
	}
	return out
}
