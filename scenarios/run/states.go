package run

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

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
func (w *watch) states(o *verdict.Observation, c *connection, js []observe.Journey) (client, server []observe.StateChange, from observe.Source) {
	var failed time.Time
	if o.Kind != verdict.Exchange && (o.Errno != "" || o.Deadline) {
		failed = o.Began.Add(o.Elapsed)
	}
	client, server = journey.States(w.lab.net.Plan, js, w.ends(c), failed)
	t := w.lab.tracer()
	if t == nil || t.Lost() > w.lostStates || t.Forgotten(w.state) > 0 {
		return client, server, observe.FromPackets
	}
	changes := t.Since(w.state)
	traced := trace(changes, w.lab.net.Nodes[c.from].NS.Inode(), c.local, c.remote)
	if c.target >= 0 {
		server = append(halfOpen(server), trace(changes, w.lab.net.Nodes[c.target].NS.Inode(), serverEnd(js, o.Target, w), o.SeenAddr)...)
	}
	return traced, server, observe.FromTracepoint
}

// halfOpen is the state that only packets tell, if they do.
func halfOpen(server []observe.StateChange) []observe.StateChange {
	i := slices.IndexFunc(server, func(s observe.StateChange) bool { return s.State == observe.SynReceived })
	if i < 0 {
		return nil
	}
	return server[i : i+1 : i+1]
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

// trace selects one socket's changes.
func trace(changes []kernel.Change, netns uint64, local, remote netip.AddrPort) (out []observe.StateChange) {
	for _, c := range changes {
		if c.Netns != netns || c.Local != local || c.Remote != remote || c.New == observe.SynReceived {
			continue
		}
		out = append(out, observe.StateChange{Time: c.Time, State: c.New})
	}
	return out
}
