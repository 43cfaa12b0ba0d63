package run

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"testbed/agents"
	"testbed/agents/dial"
	"testbed/agents/dns"
	"testbed/agents/tcp"
	"testbed/observe"
	"testbed/observe/journey"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

// RFC 8305, section 8: the recommended delays.
const (
	attemptDelay    = 250 * time.Millisecond
	resolutionDelay = 50 * time.Millisecond
)

// chooses tells whether a target stands for what is not known before it is asked
// for, or for several addresses.
func (l *Lab) chooses(t spec.Target, f spec.Family) bool {
	if _, err := netip.ParseAddr(t.Host); err == nil {
		return false
	}
	return f == spec.AnyFamily || f == spec.HappyEyeballs || l.net.Plan.Topology.NodeIndex(t.Host) < 0
}

// choice is how a step reaches one of the addresses of its target.
type choice struct {
	from, host string
	dial       dial.Request
	// asks is true where resolvers are asked.
	asks bool
}

// choice is how a target is to be reached from a node. The rest of the request is
// the caller's.
func (l *Lab) choice(from string, t spec.Target, f spec.Family, e spec.Eyeballs) (*choice, error) {
	node := l.net.Plan.Topology.NodeIndex(from)
	if node < 0 {
		return nil, fmt.Errorf("no node %q", from)
	}
	c := &choice{from: from, host: t.Host, dial: dial.Request{
		NS: l.net.Nodes[node].NS, Port: t.Port, Race: f == spec.HappyEyeballs,
		AttemptDelay: cmp.Or(e.AttemptDelay, attemptDelay), ResolutionDelay: resolutionDelay,
	}}
	if e.ResolutionDelay != nil {
		c.dial.ResolutionDelay = *e.ResolutionDelay
	}
	c.asks = l.net.Plan.Topology.NodeIndex(t.Host) < 0
	for _, kind := range []topo.RecordType{topo.AAAA, topo.A} {
		if kind == topo.AAAA && f == spec.IPv4 || kind == topo.A && f == spec.IPv6 {
			continue
		}
		c.dial.Lookups = append(c.dial.Lookups, l.lookup(node, t.Host, kind))
	}
	return c, nil
}

// lookup finds a name's addresses: a node's in the plan, as its /etc/hosts has them,
// others by asking.
func (l *Lab) lookup(node int, host string, t topo.RecordType) dial.Lookup {
	if name := l.net.Plan.Topology.NodeIndex(host); name >= 0 {
		a := &dns.Answer{Type: t}
		if at := l.net.Plan.Resolve(node, name, t == topo.A); at.IsValid() {
			a.Addresses = append(a.Addresses, at)
		}
		return func(_ context.Context, asked func()) (*dns.Answer, error) { asked(); return a, nil }
	}
	stub := l.stub(node)
	return func(ctx context.Context, asked func()) (*dns.Answer, error) {
		stub.OnAsked = asked
		return stub.Ask(ctx, host, t)
	}
}

// stub asks for names in a node.
func (l *Lab) stub(node int) *dns.Stub {
	s := l.net.Plan.Topology.Nodes[node].Stub.WithDefaults()
	return &dns.Stub{NS: l.net.Nodes[node].NS, Servers: l.net.Plan.Nameservers(node), Timeout: s.Timeout, Attempts: s.Attempts}
}

// reach connects to one of a target's addresses. The connection is the decisive
// attempt's, nil without one; so is its TCP attempt.
func (l *Lab) reach(ctx context.Context, o *verdict.Observation, c *choice) (*chosen, error) {
	w, err := l.watch()
	if err != nil {
		return nil, err
	}
	c.dial.OnStart = func() { underWay(ctx) }
	r, err := dial.Do(ctx, c.dial)
	if err != nil {
		return nil, err
	}
	underWay(ctx)
	done := &chosen{lab: l, watch: w, result: r}
	o.Began, o.Elapsed, o.Outcome, o.Deadline = r.Began, r.Elapsed, r.Outcome, r.Deadline
	if c.asks {
		o.Name, o.ResolveTime = c.host, &r.Resolved
	}
	o.Queries, o.Attempts = l.queries(r), l.attempts(r)
	o.Detail = c.detail(r)
	if r.Decisive == nil {
		o.Errno = map[agents.Outcome]string{agents.NoSuchName: "EAI_NONAME", agents.ResolutionFailed: "EAI_AGAIN"}[r.Outcome]
		return done, nil
	}
	for _, a := range r.Attempts {
		conn, err := l.attempted(c.from, a, w)
		if err != nil {
			return nil, err
		}
		done.all = append(done.all, conn)
		if a == r.Decisive {
			done.decisive = conn
		}
	}
	done.aim(o)
	return done, nil
}

// chosen is what a choice has come to.
type chosen struct {
	lab    *Lab
	watch  *watch
	result *dial.Result
	// all are the connections of all attempts, decisive is one of them or nil.
	all      []*connection
	decisive *connection
}

// attempted is an attempt as a connection that is watched.
func (l *Lab) attempted(from string, a *dial.Attempt, w *watch) (*connection, error) {
	own := *w
	c := &connection{from: l.net.Plan.Topology.NodeIndex(from), local: a.Local, remote: a.To, conn: a.Conn, watch: &own}
	own.began = a.Began
	c.meant(l.net.Plan)
	var err error
	c.turnedAway, err = own.turnedAway(c)
	return c, err
}

// aim records of the decisive attempt what a single one has.
func (d *chosen) aim(o *verdict.Observation) {
	a, c := d.result.Decisive, d.decisive
	d.lab.towards(o, c)
	o.Local, o.Errno, o.Attempt = a.Local, errnoName(a.Errno), a.Outcome
	o.CallTime, o.ConnectTime, o.ConnectSource = &a.Elapsed, &a.Elapsed, observe.FromAgent
}

// attempt is the decisive attempt as one of a single address.
func (d *chosen) attempt() *tcp.Attempt {
	a := d.result.Decisive
	return &tcp.Attempt{Outcome: a.Outcome, Errno: a.Errno, Deadline: a.Deadline, Began: a.Began, Elapsed: a.Elapsed, Local: a.Local, Remote: a.To, Conn: a.Conn}
}

// observe waits until nothing of any attempt is on its way, and completes the
// observation.
func (d *chosen) observe(ctx context.Context, o *verdict.Observation) error {
	for _, c := range d.all {
		d.settle(ctx, c)
	}
	elapsed := o.Elapsed
	if d.decisive == nil {
		rules, err := d.watch.matched()
		o.Rules = rules
		o.Unseen = d.lab.capture.Lost() - d.watch.lost
		o.Beside = d.beside(o, rules)
		return err
	}
	began := o.Began
	// What is seen of the connection is reckoned from its own connect(2).
	o.Began, o.Elapsed = d.result.Decisive.Began, elapsed-d.result.Decisive.Began.Sub(began)
	err := d.decisive.watch.observe(o, d.decisive)
	o.Began, o.Elapsed = began, elapsed
	o.Beside = d.beside(o, o.Rules)
	return err
}

// settle waits until nothing of one attempt is on its way. What comes of a SYN that
// has just arrived is waited for too: nothing else would be, once the attempt was
// abandoned.
func (d *chosen) settle(ctx context.Context, c *connection) {
	there := d.lab.path(d.lab.net.Plan.Walk(c.from, c.remote), c)
	ctx, cancel := context.WithTimeout(ctx, there.RTT()+patience)
	defer cancel()
	for {
		// From before it is looked whether anything is on its way: what sets out while that
		// is done counts as seen since.
		seen := d.lab.capture.Mark()
		c.watch.settle(ctx, c, there)
		if c == d.decisive {
			return
		}
		c.watch.next(ctx, seen)
		if d.lab.capture.Mark() == seen || ctx.Err() != nil {
			return
		}
	}
}

// beside are the packets of the queries and of the attempts that were not
// decisive.
func (d *chosen) beside(o *verdict.Observation, rules []observe.RuleCount) (out []observe.Journey) {
	all := d.watch.journeys(rules)
	for _, c := range d.all {
		if c != d.decisive && c.local.IsValid() {
			out = append(out, journey.Flow(d.lab.net.Plan, all, c.watch.ends(c))...)
		}
	}
	for _, q := range d.sockets() {
		out = append(out, journey.Datagrams(d.lab.net.Plan, all, o.From, q)...)
	}
	for _, q := range d.streams(o.From) {
		out = append(out, journey.Flow(d.lab.net.Plan, all, q)...)
	}
	slices.SortStableFunc(out, func(a, b observe.Journey) int { return a.SentAt().Compare(b.SentAt()) })
	return out
}

// sockets are the clients' ends of the queries over UDP.
func (d *chosen) sockets() (ends []netip.AddrPort) {
	for _, a := range d.result.Answers {
		for _, q := range a.Queries {
			if !q.TCP && q.Local.IsValid() {
				ends = append(ends, q.Local)
			}
		}
	}
	return ends
}

// streams are the connections of the queries over TCP.
func (d *chosen) streams(client string) (all []journey.Connection) {
	for _, a := range d.result.Answers {
		for _, q := range a.Queries {
			if q.TCP && q.Local.IsValid() {
				all = append(all, journey.Connection{Client: client, Local: q.Local, Remote: netip.AddrPortFrom(q.Server, dns.Port)})
			}
		}
	}
	return all
}

// queries are what was asked, in order of asking.
func (l *Lab) queries(r *dial.Result) (all []verdict.Query) {
	for _, a := range r.Answers {
		for _, q := range a.Queries {
			all = append(all, verdict.Query{
				Type: q.Type, Server: q.Server, Node: l.ownerName(q.Server), TCP: q.TCP,
				At: q.Asked.Sub(r.Began), Elapsed: q.Elapsed, Reply: q.Reply, Addresses: q.Addresses,
			})
		}
	}
	slices.SortStableFunc(all, func(a, b verdict.Query) int {
		return cmp.Or(cmp.Compare(a.At, b.At), -cmp.Compare(a.Type, b.Type))
	})
	return all
}

// attempts are the addresses that were tried.
func (l *Lab) attempts(r *dial.Result) (all []verdict.Attempt) {
	for _, a := range r.Attempts {
		all = append(all, verdict.Attempt{
			To: a.To, Node: l.ownerName(a.To.Addr()), Local: a.Local, At: a.Began.Sub(r.Began), Elapsed: a.Elapsed,
			Outcome: a.Outcome, Errno: errnoName(a.Errno),
		})
	}
	return all
}

// ownerName is the node that has an address, empty for none.
func (l *Lab) ownerName(a netip.Addr) string {
	if n := l.net.Plan.Owner(a); n >= 0 {
		return l.net.Plan.Nodes[n].Name
	}
	return ""
}

// detail says why a name came to nothing.
func (c *choice) detail(r *dial.Result) string {
	switch {
	case r.Outcome == agents.ResolutionFailed:
		return "no resolver gave an answer for " + c.host
	case r.Outcome != agents.NoSuchName:
		return ""
	}
	for _, a := range r.Answers {
		if a.Missing {
			return fmt.Sprintf("the name %s does not exist", c.host)
		}
	}
	return fmt.Sprintf("%s has no address of the kind that was asked for", c.host)
}

// resolver starts a node's DNS server.
func (l *Lab) resolver(node int) error {
	r := l.net.Plan.Topology.Nodes[node].Resolver
	if r == nil {
		return nil
	}
	plan := l.net.Plan
	s, err := dns.Serve(l.net.Nodes[node].NS, dns.Options{
		Zone: func(asker netip.Addr, name string, t topo.RecordType) ([]netip.Addr, bool) {
			addresses, exists := plan.Record(node, asker, name, t == topo.A)
			if t == "" {
				addresses = nil
			}
			return addresses, exists
		},
		Delay: r.Delay, Silent: r.Silent,
	})
	if err != nil {
		return fmt.Errorf("node %s: %w", plan.Nodes[node].Name, err)
	}
	l.resolvers[node] = s
	return nil
}

// setResolver makes a node's DNS server another one.
func (l *Lab) setResolver(node int, r topo.Resolver) error {
	if s := l.resolvers[node]; s != nil {
		delete(l.resolvers, node)
		if err := s.Close(); err != nil {
			return err
		}
	}
	if err := l.net.SetResolver(node, r); err != nil {
		return err
	}
	return l.resolver(node)
}
