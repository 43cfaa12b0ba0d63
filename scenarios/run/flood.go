package run

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"testbed/agents/flood"
	"testbed/observe/decode"
	"testbed/observe/kernel"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

// flooding is a flood under way.
type flooding struct {
	o      *verdict.Observation
	c      *connection
	from   netip.Prefix
	before map[string]uint64
	stop   context.CancelFunc
	ended  chan struct{}
	// r and err are there once it has ended.
	r   *flood.Result
	err error
}

// Flood sends connection requests at a rate. In the background, it returns when the
// first has left; what the flood came to is added to the observation by
// EndFloods.
func (l *Lab) Flood(ctx context.Context, s spec.Flood) (*verdict.Observation, error) {
	o := &verdict.Observation{Kind: verdict.Flood, Title: Title(&spec.Step{Flood: &s}), From: s.From}
	c, err := l.begin(o, s.From, s.Target, s.Family)
	if err != nil {
		return nil, err
	}
	f := &flooding{o: o, c: c, from: s.Spoof, ended: make(chan struct{})}
	if !f.from.IsValid() {
		own, err := l.own(c.from, c.remote.Addr())
		if err != nil {
			return nil, err
		}
		f.from = netip.PrefixFrom(own, own.BitLen())
	}
	if f.before, err = l.tcpCounters(c.target); err != nil {
		return nil, err
	}
	o.Flood = &verdict.FloodResult{From: f.from.String(), Spoofed: s.Spoof.IsValid(), Background: s.Background}
	l.startFlood(ctx, f, s)
	if s.Background {
		return o, nil
	}
	<-f.ended
	return o, errors.Join(l.land(ctx, f), ctx.Err())
}

// own is the address that a node sends to another one from. Where no route leads
// there, it is any: the kernel will say so.
func (l *Lab) own(node int, to netip.Addr) (netip.Addr, error) {
	if a := l.net.Plan.Source(node, to); a.IsValid() {
		return a, nil
	}
	for _, f := range l.net.Plan.Nodes[node].Interfaces {
		for _, a := range f.Addresses {
			if a.Addr().Is4() == to.Is4() {
				return a.Addr(), nil
			}
		}
	}
	return netip.Addr{}, fmt.Errorf("%s has no address to reach %s from", l.net.Plan.Nodes[node].Name, to)
}

// startFlood begins a flood, and returns when its first SYN has left.
func (l *Lab) startFlood(ctx context.Context, f *flooding, s spec.Flood) {
	l.mu.Lock()
	l.foreign = append(l.foreign[:len(l.foreign):len(l.foreign)], l.newForeign(f.from, f.c.remote))
	number := len(l.foreign)
	l.mu.Unlock()
	rate := s.Rate
	if rate == (topo.Rate{}) {
		rate = spec.DefaultFloodRate
	}
	own, began := context.WithoutCancel(ctx), make(chan struct{})
	if !s.Background {
		own = ctx
	}
	own, f.stop = context.WithCancel(own)
	go func() {
		defer close(f.ended)
		f.r, f.err = flood.Run(own, l.net.Nodes[f.c.from].NS, flood.Options{
			Target: f.c.remote, From: f.from, Due: rate.Due, Duration: s.Duration,
			Seed: l.net.Plan.Topology.Seed + uint64(number), OnStart: func() { close(began) },
		})
	}()
	select {
	case <-began:
	case <-f.ended:
	}
	underWay(ctx)
	if s.Background {
		l.mu.Lock()
		l.floods = append(l.floods, f)
		l.mu.Unlock()
	}
}

// isFlooded tells whether a flood has gone on in the background since it began.
func (l *Lab) isFlooded() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.floods) > 0
}

// EndFloods ends the floods that are still going on in the background, and
// completes the observations of all that did.
func (l *Lab) EndFloods(ctx context.Context) error {
	l.mu.Lock()
	floods := l.floods
	l.floods = nil
	l.mu.Unlock()
	var errs []error
	for _, f := range floods {
		f.stop()
		<-f.ended
	}
	for _, f := range floods {
		errs = append(errs, l.land(ctx, f))
	}
	return errors.Join(errs...)
}

// land completes the observation of a flood that has ended, once what it sent last
// has had the time to arrive and to be answered.
func (l *Lab) land(ctx context.Context, f *flooding) (err error) {
	f.stop()
	if f.err != nil {
		return f.err
	}
	o, x := f.o, f.o.Flood
	o.Began, o.Elapsed = f.r.Began, f.r.Elapsed
	x.Sent, x.Failed, x.Errno = f.r.Sent, f.r.Failed, errnoName(f.r.Errno)
	if x.Sent == 0 {
		o.Errno = x.Errno
	}
	if _, err := l.Wait(ctx, time.Until(f.r.Began.Add(f.r.Elapsed+o.Path.RTT()+inNode))); err != nil {
		return err
	}
	after, err := l.tcpCounters(f.c.target)
	if err != nil {
		return err
	}
	x.Counters = map[string]uint64{}
	for _, name := range spec.Counters {
		if n, known := after[name]; known {
			x.Counters[name] = n - f.before[name]
		}
	}
	if o.Rules, err = f.c.watch.matched(); err != nil {
		return err
	}
	l.countFlood(f)
	return nil
}

// tcpCounters are those of a node's kernel; none for no node.
func (l *Lab) tcpCounters(node int) (map[string]uint64, error) {
	if node < 0 {
		return map[string]uint64{}, nil
	}
	return kernel.TCPCounters(l.net.Nodes[node].NS)
}

// countFlood counts the SYNs of a flood that reached the target, and how many of
// them a SYN-ACK was sent for.
func (l *Lab) countFlood(f *flooding) {
	w := f.c.watch
	f.o.Unseen = l.capture.Lost() - w.lost + l.capture.Forgotten(w.frame)
	look := l.newForeign(f.from, f.c.remote)
	answered := map[uint32]bool{}
	for _, frame := range l.capture.Since(w.frame) {
		if src, dst, ok := decode.Ends(frame); !ok || !look.has(src, dst) || l.net.Plan.Topology.Links[frame.Link].Ends[frame.Side] != f.o.Target {
			continue
		}
		p, err := decode.Frame(frame)
		if err != nil || p.TCP == nil {
			continue
		}
		switch {
		case !frame.Sent && p.TCP.Flags&(topo.SYN|topo.ACK) == topo.SYN:
			f.o.Flood.Arrived++
		case frame.Sent && p.TCP.Flags&(topo.SYN|topo.ACK) == topo.SYN|topo.ACK:
			answered[p.TCP.Ack] = true
		}
	}
	f.o.Flood.Answered = len(answered)
}
