package run

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"testbed/agents"
	"testbed/netem"
	"testbed/observe"
	"testbed/observe/journey"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

// patience is how much longer than the path's delay a packet is waited for
// before it is given up as still on its way.
const patience = 300 * time.Millisecond

// inNode is about how long a packet may take through a node.
const inNode = 10 * time.Millisecond

// watch is what has been observed since a moment.
type watch struct {
	lab   *Lab
	began time.Time
	frame int
	state int
	// lost and lostStates are what the capture and the tracer had lost before.
	lost, lostStates uint64

	// bulk is the capture's mark after a transfer, of which nothing is pending: its many
	// packets need not be followed again and again.
	bulk int

	// rules are the counters that what matched is reckoned from, from those when the watch
	// began, and past is what had matched in between.
	rules, from, past []observe.RuleCount
	// crossed is what had crossed the links before; see Lab.crossed.
	crossed [][2]netem.Counters
}

// watch begins to observe.
func (l *Lab) watch() (*watch, error) {
	w := &watch{lab: l, began: time.Now(), frame: l.capture.Mark(), lost: l.capture.Lost(), crossed: l.crossed()}
	if t := l.tracer(); t != nil {
		w.state, w.lostStates = t.Mark(), t.Lost()
	}
	var err error
	w.rules, err = l.net.Rules()
	w.from = w.rules
	return w, err
}

// matched are the rules that matched since the watch, or the latest step that it
// observes, began.
func (w *watch) matched() ([]observe.RuleCount, error) {
	now, err := w.lab.net.Rules()
	return w.matchedUntil(now), err
}

// step has what matched reckoned from now on.
func (w *watch) step() error {
	now, err := w.lab.net.Rules()
	if err != nil {
		return err
	}
	w.past, w.rules = w.all(w.matchedUntil(now)), now
	return nil
}

// all are the rules that matched since the watch began, of which some did since the
// latest step.
func (w *watch) all(since []observe.RuleCount) []observe.RuleCount {
	all := slices.Clone(w.past)
	for _, r := range since {
		if i := slices.IndexFunc(all, same(r)); i >= 0 {
			all[i].Packets += r.Packets
		} else {
			all = append(all, r)
		}
	}
	return all
}

// matchedUntil is matched by counters that were read already.
func (w *watch) matchedUntil(now []observe.RuleCount) []observe.RuleCount {
	return slices.DeleteFunc(grown(now, w.rules), func(r observe.RuleCount) bool { return r.Packets == 0 })
}

// counted is what rules counted of all packets that the watch follows, since is what
// matched in the latest step. Where a step gave a node other rules, these and those
// before them are told apart.
func (w *watch) counted(now, since []observe.RuleCount) (out []observe.RuleCount) {
	renewed := func(r *observe.RuleCount) (time.Time, bool) {
		w.lab.mu.Lock()
		defer w.lab.mu.Unlock()
		at := w.lab.renewed[r.Node]
		return at, at.After(w.began)
	}
	for i, r := range grown(now, w.from) {
		if at, ok := renewed(&r); ok {
			r = now[i]
			r.Since = at
		}
		out = append(out, r)
	}
	for _, r := range w.all(since) {
		at, ok := renewed(&r)
		if !ok {
			continue
		}
		if i := slices.IndexFunc(now, same(r)); i >= 0 {
			r.Packets -= min(r.Packets, now[i].Packets)
		}
		r.Until, r.Met, r.Before = at, 0, 0
		out = append(out, r)
	}
	return out
}

// grown is how much counters have grown. Those that are less than they were have begun
// again.
func grown(now, before []observe.RuleCount) (all []observe.RuleCount) {
	for _, r := range now {
		i := slices.IndexFunc(before, same(r))
		if i >= 0 && before[i].Packets <= r.Packets && before[i].Met <= r.Met {
			r.Packets -= before[i].Packets
			r.Before, r.Met = before[i].Met, r.Met-before[i].Met
		}
		all = append(all, r)
	}
	return all
}

// same finds the counts of one rule.
func same(r observe.RuleCount) func(observe.RuleCount) bool {
	return func(b observe.RuleCount) bool { return b.Node == r.Node && b.Rule == r.Rule }
}

// flow are the journeys of one connection since the watch began.
func (w *watch) flow(c *connection, rules []observe.RuleCount) []observe.Journey {
	return journey.Flow(w.lab.net.Plan, w.journeys(rules), w.ends(c))
}

// journeys are all packets since the watch began.
func (w *watch) journeys(rules []observe.RuleCount) []observe.Journey {
	return w.journeysFrom(w.frame, rules)
}

// journeysFrom are all packets whose frames are at a mark or after it.
func (w *watch) journeysFrom(mark int, rules []observe.RuleCount) []observe.Journey {
	counts := w.counts()
	return journey.Trace(journey.Input{
		Counts: counts,
		Frames: w.lab.framesSince(mark),
		Drops:  w.lab.lossesSince(w.began), Strikes: w.lab.strikesSince(w.began),
		Plan:  w.lab.net.Plan,
		Rules: rules,
		Until: time.Now(),
	})
}

// ends is the connection as package journey names it.
func (w *watch) ends(c *connection) journey.Connection {
	return journey.Connection{Client: w.lab.net.Plan.Nodes[c.from].Name, Local: c.local, Remote: c.remote}
}

// settle waits until no packet of the connection is on its way any more, or for
// at most the time that they take on the path and some patience.
func (w *watch) settle(ctx context.Context, c *connection, path verdict.Path) {
	seen := w.lab.capture.Mark()
	bytes := w.pending(c)
	ctx, cancel := context.WithTimeout(ctx, w.lateness(path, bytes)+path.RTT()+patience)
	defer cancel()
	for bytes > 0 && ctx.Err() == nil {
		w.next(ctx, seen)
		seen = w.lab.capture.Mark()
		bytes = w.pending(c)
	}
}

// pending is how long the connection's packets are together that are on their
// way, in bytes. The ACK of a SYN-ACK that has arrived is one of them: the kernel
// wakes who waits in connect(2) before it sends it (net/ipv4/tcp_input.c,
// tcp_rcv_synsent_state_process).
func (w *watch) pending(c *connection) (bytes int) {
	js := journey.Flow(w.lab.net.Plan, w.journeysFrom(max(w.frame, w.bulk), nil), w.ends(c))
	for i := range js {
		if js[i].Fate.Pending {
			bytes += etherHeader + js[i].Packet().Length
		}
	}
	if unanswered(js, c.local) || unproxied(js, w.ends(c).Client) {
		bytes += etherHeader
	}
	return bytes
}

// unproxied tells whether a synproxy has begun a connection to the server and not
// completed it yet.
func unproxied(js []observe.Journey, client string) bool {
	proxy := ""
	for i := range js {
		p := js[i].Packet()
		switch {
		case p.TCP == nil:
		case p.TCP.Flags&(topo.SYN|topo.ACK) == topo.SYN && js[i].Left() && js[i].Sender != client:
			proxy = js[i].Sender
		case p.TCP.Flags&topo.RST != 0, proxy != "" && js[i].Sender == proxy && p.TCP.Flags&topo.SYN == 0:
			return false
		}
	}
	return proxy != ""
}

// unanswered tells whether a SYN-ACK has arrived at the client, and the client has
// sent nothing since.
func unanswered(js []observe.Journey, client netip.AddrPort) bool {
	var arrived, sent time.Time
	for i := range js {
		p := js[i].Packet()
		switch {
		case p.TCP == nil:
		case netip.AddrPortFrom(p.Src, p.TCP.SrcPort) == client:
			sent = js[i].SentAt()
		case p.TCP.Flags&(topo.SYN|topo.ACK) == topo.SYN|topo.ACK && js[i].Fate.Delivered && arrived.IsZero():
			arrived = js[i].Last().Time
		}
	}
	return !arrived.IsZero() && sent.Before(arrived)
}

const etherHeader = 14

// next waits for a frame after a mark, but not for long: that a node dropped a
// packet shows only in that nothing follows.
func (w *watch) next(ctx context.Context, mark int) {
	ctx, cancel := context.WithTimeout(ctx, inNode)
	defer cancel()
	w.lab.capture.Wait(ctx, mark, func(f observe.Frame) bool { return !w.lab.isForeign(f) })
}

// lateness is the most that the links of a path add to their delays when so many
// bytes are on their way.
func (w *watch) lateness(path verdict.Path, bytes int) (d time.Duration) {
	for i := 1; i < len(path.Nodes); i++ {
		link := w.lab.net.Plan.Topology.LinkIndex(path.Nodes[i-1], path.Nodes[i])
		for _, side := range []netem.Side{0, 1} {
			i := w.lab.net.Plan.Links[link].Toward[side]
			d += i.MaxJitter() + netem.Serialization(i.Rate, bytes)
		}
	}
	return d
}

// observe completes an observation with what was seen of its connection. Packets
// that were sent before the last observation of the connection are earlier ones:
// each is told of once.
func (w *watch) observe(o *verdict.Observation, c *connection) error {
	now, err := w.lab.net.Rules()
	if err != nil {
		return err
	}
	o.Rules = w.matchedUntil(now)
	o.Unseen = w.lab.capture.Lost() - w.lost + w.lab.capture.Forgotten(w.frame)
	if !c.local.IsValid() {
		return nil
	}
	turnedAway, err := w.turnedAway(c)
	if err != nil {
		return err
	}
	whole := w.flow(c, w.counted(now, o.Rules)) // earlier packets take their share of what matched
	w.past, w.rules = w.all(o.Rules), now       // before another step replaces the rules
	w.followMapping(o, c, whole)
	markTurnedAway(w.lab.net.Plan, whole, o.Target, turnedAway.since(c.turnedAway))
	c.turnedAway = turnedAway
	w.seenFrom(o, whole)
	if at := serverEnd(whole, o.Target, w); at.IsValid() {
		c.far = [2]netip.AddrPort{at, o.SeenAddr}
	}
	o.ClientStates, o.ServerStates, o.StateSource = w.states(o, c, whole)
	w.acceptTime(o, whole)
	w.connectTime(o, whole)
	told := c.told
	for _, j := range whole {
		if !j.SentAt().After(told) {
			o.Earlier = append(o.Earlier, j)
		} else {
			o.Journeys = append(o.Journeys, j)
		}
		if j.SentAt().After(c.told) {
			c.told = j.SentAt()
		}
	}
	o.Earlier = fewer(o.Earlier)
	o.Rewrites = journey.Rewrites(w.lab.net.Plan, o.Journeys)
	return nil
}

// seenFrom tells whose address the server saw.
func (w *watch) seenFrom(o *verdict.Observation, js []observe.Journey) {
	for i := range js {
		last := js[i].Last()
		to := w.lab.net.Plan.Topology.Links[last.Link].Ends[last.Side]
		if !last.Sent && !last.Corrupted && last.Packet.TCP != nil && to == o.Target && js[i].Packet().Dst == o.Remote.Addr() {
			o.SeenAddr = netip.AddrPortFrom(last.Packet.Src, last.Packet.TCP.SrcPort)
			if n := w.lab.net.Plan.Owner(last.Packet.Src); n >= 0 {
				o.SeenFrom = w.lab.net.Plan.Nodes[n].Name
			}
			return
		}
	}
}

// acceptTime is from the first SYN on the client's interface until the server's
// socket was ESTABLISHED.
func (w *watch) acceptTime(o *verdict.Observation, js []observe.Journey) {
	i := slices.IndexFunc(o.ServerStates, func(s observe.StateChange) bool { return s.State == observe.Established })
	if i < 0 || len(js) == 0 {
		return
	}
	d := o.ServerStates[i].Time.Sub(js[0].SentAt())
	o.AcceptTime, o.AcceptSource = &d, o.StateSource
}

// idle is how long the agent may have waited for the processor before connect(2)
// and after it. It is less than the least time between two transmissions of a
// SYN, so that one cannot be taken for the other.
const idle = 500 * time.Millisecond

// connectTime is what connect(2) waited by the kernel's own stamps: from the
// first SYN on the client's interface until the packet arrived there that ended
// the attempt. Where there is no such packet, or what the client's own firewall
// does keeps one from being seen, the agent's clock stands. The attempt of a
// connect step took just as long.
func (w *watch) connectTime(o *verdict.Observation, js []observe.Journey) {
	if o.CallTime == nil || o.Deadline && o.Attempt != agents.Connected || len(js) == 0 {
		return
	}
	returned := o.Began.Add(*o.CallTime)
	var answer time.Time
	for i := range js {
		last := js[i].Last()
		if !last.Sent && last.Time.Before(returned) && js[i].Fate.Delivered && journey.Node(w.lab.net.Plan, last) == o.From && ends(o.Attempt, last.Packet) {
			answer = last.Time
		}
	}
	sent := js[0].SentAt()
	if answer.IsZero() || sent.Sub(o.Began) > idle || returned.Sub(answer) > idle {
		return
	}
	d := answer.Sub(sent)
	o.ConnectTime, o.ConnectSource = &d, observe.FromPackets
	if o.Kind == verdict.Connect {
		o.Elapsed = d
	}
}

// ends tells whether a packet ends an attempt that had an outcome: a SYN-ACK, a
// RST, or an ICMP error.
func ends(outcome agents.Outcome, p *observe.Packet) bool {
	switch outcome {
	case agents.Connected:
		return p.TCP != nil && p.TCP.Flags&(topo.SYN|topo.ACK) == topo.SYN|topo.ACK
	case agents.Refused, agents.Reset:
		return p.TCP != nil && p.TCP.Flags&topo.RST != 0 || p.ICMP != nil
	case agents.TimedOut:
		return false
	}
	return p.ICMP != nil
}
