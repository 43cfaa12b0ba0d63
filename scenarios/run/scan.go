package run

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"testbed/agents/scan"
	"testbed/observe"
	"testbed/observe/journey"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

// Scan finds out which ports of a host are open, closed or filtered, and where
// what is missing died.
func (l *Lab) Scan(ctx context.Context, s spec.Scan) (*verdict.Observation, error) {
	o := &verdict.Observation{Kind: verdict.Scan, Title: Title(&spec.Step{Scan: &s}), From: s.From}
	if s.Family == spec.IPv6 {
		o.Title += " over IPv6"
	}
	c, err := l.begin(o, s.From, spec.Target{Host: s.Host, Port: s.Ports[0]}, s.Family)
	if err != nil {
		return nil, err
	}
	rate := s.Rate
	if rate == (topo.Rate{}) {
		rate = spec.DefaultScanRate
	}
	r, err := scan.Run(ctx, l.net.Nodes[c.from].NS, scan.Options{
		Target: c.remote.Addr(), Ports: s.Ports, Due: rate.Due, Retries: s.Retries, Timeout: s.Timeout,
		// An answer that only takes its time on the way is no silence.
		Wait: max(time.Second, 2*o.Path.RTT()), Seed: l.net.Plan.Topology.Seed, Run: l.countScan(),
		OnStart: func() { underWay(ctx) },
	})
	if err != nil {
		return nil, err
	}
	underWay(ctx) // and over already, if no SYN could be sent
	o.Began, o.Elapsed, o.Deadline = r.Began, r.Elapsed, r.Deadline
	c.local = netip.AddrPortFrom(r.Source, 0)
	c.watch.settleScan(ctx, c, o.Path)
	return o, c.watch.observeScan(o, c, r)
}

// countScan is the number of the next scan.
func (l *Lab) countScan() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.scans++
	return l.scans
}

// settleScan waits until nothing that a scan sent is on its way any more, nor the
// answers, as settle does.
func (w *watch) settleScan(ctx context.Context, c *connection, path verdict.Path) {
	ctx, cancel := context.WithTimeout(ctx, w.lateness(path, 0)+path.RTT()+patience)
	defer cancel()
	for ctx.Err() == nil {
		seen := w.lab.capture.Mark()
		js := w.journeys(nil)
		if !slices.ContainsFunc(js, func(j observe.Journey) bool { return j.Fate.Pending && concerns(&j, c.remote.Addr()) }) {
			return
		}
		w.next(ctx, seen)
	}
}

// concerns tells whether a packet went to an address, came from it, or is an error
// about one that did.
func concerns(j *observe.Journey, a netip.Addr) bool {
	return slices.ContainsFunc(j.Sightings, func(s observe.Sighting) bool {
		p := s.Packet
		if m := p.ICMP; m != nil && m.Quoted != nil {
			p = m.Quoted
		}
		return p.Src == a || p.Dst == a
	})
}

// observeScan completes the observation of a scan.
func (w *watch) observeScan(o *verdict.Observation, c *connection, r *scan.Result) (err error) {
	if o.Rules, err = w.matched(); err != nil {
		return err
	}
	o.Unseen = w.lab.capture.Lost() - w.lost + w.lab.capture.Forgotten(w.frame)
	flows := journey.NewFlows(w.lab.net.Plan, w.journeys(o.Rules))
	for _, p := range r.Ports {
		s := verdict.ScannedPort{Port: p}
		for n := range p.Probes {
			w.follow(&s, flows.Of(journey.Connection{
				Client: o.From,
				Local:  netip.AddrPortFrom(r.Source, p.Source+uint16(n)), Remote: netip.AddrPortFrom(c.remote.Addr(), p.Number),
			}), r.Source)
		}
		o.Ports = append(o.Ports, s)
	}
	return nil
}

// follow adds what became of one probe.
func (w *watch) follow(s *verdict.ScannedPort, js []observe.Journey, scanner netip.Addr) {
	var back []observe.Drop
	for i := range js {
		j := &js[i]
		toScanner := j.Packet().Src != scanner
		if toScanner && j.Fate.Delivered {
			if first := &j.Sightings[0]; first.Sent && s.By == "" {
				s.By = journey.Node(w.lab.net.Plan, first)
			}
		}
		switch {
		case j.Fate.Drop == (observe.Drop{}) || j.Fate.Delivered || j.Fate.Pending:
		case toScanner:
			back = append(back, j.Fate.Drop)
		case j.Packet().TCP != nil && j.Packet().TCP.Flags&topo.SYN != 0:
			s.Drops = append(s.Drops, j.Fate.Drop)
		}
	}
	s.Drops = append(s.Drops, back...)
}
