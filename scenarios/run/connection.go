package run

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"testbed/agents"
	"testbed/agents/http"
	"testbed/agents/tcp"
	"testbed/agents/tls"
	"testbed/observe"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo"

	"golang.org/x/sys/unix"
)

// defaultTimeout is that of a step which must end and names none.
const defaultTimeout = 30 * time.Second

// Connect opens a TCP connection as the step says, and closes it again unless
// the step names it. How it ended is in the observation; the error is the
// testbed's own.
func (l *Lab) Connect(ctx context.Context, c spec.Connect) (*verdict.Observation, error) {
	o := &verdict.Observation{Kind: verdict.Connect, Title: Title(&spec.Step{Connect: &c}), From: c.From}
	if l.chooses(c.Target, c.Family) {
		return l.connectToOne(ctx, o, c)
	}
	if c.Family == spec.IPv6 {
		o.Title += " over IPv6"
	}
	conn, err := l.begin(o, c.From, c.Target, c.Family)
	if err != nil {
		return nil, err
	}
	options, err := l.socket(c)
	if err != nil {
		return nil, err
	}
	options.Timeout, options.OnStart = c.Timeout, conn.starts(ctx)
	a, err := tcp.Connect(ctx, l.net.Nodes[conn.from].NS, conn.remote, options)
	if err != nil {
		return nil, err
	}
	underWay(ctx) // and over already, if it failed at once
	conn.attempted(o, a)
	o.Elapsed = a.Elapsed
	conn.watch.settle(ctx, conn, o.Path)
	err = conn.watch.observe(o, conn)
	l.keepOrClose(ctx, c, conn, err)
	return o, err
}

// socket is what a step says of its sockets.
func (l *Lab) socket(c spec.Connect) (o tcp.Options, err error) {
	o = tcp.Options{Port: c.Port, UserTimeout: c.UserTimeout, FastOpen: []byte(c.FastOpen)}
	if from := l.net.Plan.Topology.NodeIndex(c.From); c.KeepAlive && from >= 0 {
		o.KeepAlive, err = l.keepAlive(from)
	}
	return o, err
}

// keepOrClose keeps an attempt's connection under a name, or closes it where there is
// none.
func (l *Lab) keepOrClose(ctx context.Context, s spec.Connect, c *connection, err error) {
	switch {
	case c == nil || c.conn == nil:
	case s.As == "" || err != nil:
		closeBesideNone(ctx, c.conn)
	default:
		if s.FastOpen != "" {
			c.owed = l.due(c, s.FastOpen).bytes
		}
		l.keep(s.As, c)
	}
}

// connectToOne is Connect to one of several addresses.
func (l *Lab) connectToOne(ctx context.Context, o *verdict.Observation, c spec.Connect) (*verdict.Observation, error) {
	how, err := l.choice(c.From, c.Target, c.Family, c.Eyeballs)
	if err != nil {
		return nil, err
	}
	if how.dial.Socket, err = l.socket(c); err != nil {
		return nil, err
	}
	how.dial.Timeout = c.Timeout
	o.Title += overFamily(c.Family)
	d, err := l.reach(ctx, o, how)
	if err != nil {
		return nil, err
	}
	err = d.observe(ctx, o)
	l.keepOrClose(ctx, c, d.decisive, err)
	return o, err
}

// overFamily is what a title says of a family.
func overFamily(f spec.Family) string {
	switch f {
	case spec.IPv6:
		return " over IPv6"
	case spec.AnyFamily:
		return " over IPv6, then IPv4"
	case spec.HappyEyeballs:
		return " by Happy Eyeballs"
	}
	return ""
}

// HTTP performs one request as the step says.
func (l *Lab) HTTP(ctx context.Context, h spec.HTTP) (*verdict.Observation, error) {
	o := &verdict.Observation{Kind: verdict.HTTP, Title: Title(&spec.Step{HTTP: &h}), From: h.From}
	if l.chooses(h.Target, h.Family) {
		return l.httpFromOne(ctx, o, h)
	}
	conn, err := l.begin(o, h.From, h.Target, h.Family)
	if err != nil {
		return nil, err
	}
	r := http.Request{
		NS: l.net.Nodes[conn.from].NS, To: conn.remote, URL: h.URL,
		Timeout: orDefault(h.Timeout), OnStart: conn.starts(ctx),
	}
	if h.TLS {
		r.TLS = l.secure(h)
	}
	res, err := http.Get(ctx, r)
	if err != nil {
		return nil, err
	}
	underWay(ctx)
	if res.Attempt.Conn != nil {
		defer res.Attempt.Conn.Close()
	}
	conn.attempted(o, res.Attempt)
	answered(o, res)
	conn.watch.settle(ctx, conn, o.Path)
	return o, conn.watch.observe(o, conn)
}

// httpFromOne is HTTP from one of several addresses.
func (l *Lab) httpFromOne(ctx context.Context, o *verdict.Observation, h spec.HTTP) (*verdict.Observation, error) {
	how, err := l.choice(h.From, h.Target, h.Family, h.Eyeballs)
	if err != nil {
		return nil, err
	}
	how.dial.Timeout = orDefault(h.Timeout)
	o.Title += overFamily(h.Family)
	d, err := l.reach(ctx, o, how)
	if err != nil {
		return nil, err
	}
	if d.decisive == nil || d.decisive.conn == nil {
		return o, d.observe(ctx, o)
	}
	defer d.decisive.conn.Close()
	r := http.Request{NS: how.dial.NS, To: d.decisive.remote, URL: h.URL, Timeout: how.dial.Timeout, Began: o.Began}
	if h.TLS {
		r.TLS = l.secure(h)
	}
	res, err := http.GetOn(ctx, d.attempt(), r)
	if err != nil {
		return nil, err
	}
	connected := d.result.Elapsed
	answered(o, res)
	err = d.observe(ctx, o)
	o.ConnectTime, o.ConnectSource = &connected, observe.FromAgent
	return o, err
}

// answered records how a request went on a connection.
func answered(o *verdict.Observation, res *http.Response) {
	o.Outcome, o.Errno, o.Deadline, o.Elapsed = res.Outcome, errnoName(res.Errno), res.Deadline, res.Elapsed
	o.TLSTime, o.FirstByteTime = res.TLSTime, res.FirstByteTime
	o.Status, o.Detail = res.Status, res.Detail
	if res.TLS != nil {
		o.TLSVersion, o.Resumed = tls.Version(res.TLS.Version), res.TLS.DidResume
	}
}

// begin resolves a step's ends and begins to watch.
func (l *Lab) begin(o *verdict.Observation, from string, target spec.Target, family spec.Family) (*connection, error) {
	p := l.net.Plan
	c := &connection{from: p.Topology.NodeIndex(from), target: p.Topology.NodeIndex(target.Host)}
	if c.from < 0 {
		return nil, fmt.Errorf("no node %q", from)
	}
	addr, err := netip.ParseAddr(target.Host)
	if c.target >= 0 {
		addr, err = p.Resolve(c.from, c.target, family != spec.IPv6), nil
	}
	if err != nil || !addr.IsValid() {
		return nil, fmt.Errorf("%s is neither a node with an address nor an address", target.Host)
	}
	c.remote = netip.AddrPortFrom(addr.Unmap(), target.Port)
	c.meant(p)
	l.towards(o, c)
	if c.watch, err = l.watch(); err != nil {
		return nil, err
	}
	o.Began = c.watch.began
	c.turnedAway, err = c.watch.turnedAway(c)
	return c, err
}

// meant works out which node a connection's remote address leads to.
func (c *connection) meant(p *topo.Plan) {
	walk := p.Walk(c.from, c.remote)
	if c.target = p.Owner(c.remote.Addr()); walk.Arrived {
		c.target = walk.Nodes[len(walk.Nodes)-1]
	}
}

// towards records a connection's far end and the way there.
func (l *Lab) towards(o *verdict.Observation, c *connection) {
	if c.target >= 0 {
		o.Target = l.net.Plan.Nodes[c.target].Name
	}
	o.Path = l.path(l.net.Plan.Walk(c.from, c.remote), c)
	o.Remote = c.remote
}

// path is a walk with its nodes' names, there and back.
func (l *Lab) path(there topo.Walk, c *connection) verdict.Path {
	p := l.net.Plan
	source := c.local.Addr()
	if !source.IsValid() {
		source = p.Source(c.from, c.remote.Addr())
	}
	back := p.Return(there, source)
	return verdict.Path{Nodes: l.names(there.Nodes), There: p.Delays(there), Return: l.names(back.Nodes), Back: p.Delays(back)}
}

func (l *Lab) names(nodes []int) (names []string) {
	for _, n := range nodes {
		names = append(names, l.net.Plan.Nodes[n].Name)
	}
	return names
}

// starts learns the client's address while an attempt is under way.
func (c *connection) starts(ctx context.Context) func(local netip.AddrPort) {
	return func(local netip.AddrPort) {
		c.local = local
		underWay(ctx)
	}
}

// attempted records how the attempt ended.
func (c *connection) attempted(o *verdict.Observation, a *tcp.Attempt) {
	if a.Local.IsValid() {
		c.local = a.Local
	}
	c.conn = a.Conn
	o.Local, o.Began = c.local, a.Began
	o.Outcome, o.Errno, o.Deadline = a.Outcome, errnoName(a.Errno), a.Deadline
	call := a.Elapsed
	o.Attempt = a.Outcome
	o.CallTime, o.ConnectTime, o.ConnectSource = &call, &call, observe.FromAgent
}

// Exchange writes to a kept connection and reads as the step says.
func (l *Lab) Exchange(ctx context.Context, x spec.Exchange) (*verdict.Observation, error) {
	o := &verdict.Observation{Kind: verdict.Exchange, Title: Title(&spec.Step{Exchange: &x})}
	c := l.keeps(x.Connection)
	if c == nil {
		return notOpen(o), nil
	}
	if err := l.again(o, c); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	underWay(ctx)
	done := l.exchange(c, x)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o.Outcome, o.Errno, o.Deadline, o.Elapsed = done.Outcome, errnoName(done.Errno), done.Deadline, done.Elapsed
	c.found(done.Outcome, done.Errno)
	o.FirstByteTime = done.FirstByte
	o.Answer = string(done.Answer[:min(len(done.Answer), 256)])
	c.watch.settle(ctx, c, o.Path)
	return o, c.watch.observe(o, c)
}

// found remembers with which error a connection has ended.
func (c *connection) found(o agents.Outcome, errno unix.Errno) {
	if errno != 0 && c.died == "" {
		c.died = o
	}
}

// CloseConnection ends a kept connection with FIN or RST, or only its own side of
// it, and waits until what that sends has arrived.
func (l *Lab) CloseConnection(ctx context.Context, x spec.Close) (*verdict.Observation, error) {
	o := &verdict.Observation{Kind: verdict.Close, Title: Title(&spec.Step{Close: &x})}
	c := l.keeps(x.Connection)
	if c == nil {
		return notOpen(o), nil
	}
	if err := l.again(o, c); err != nil {
		return nil, err
	}
	switch {
	case x.Reset:
		o.Title += " with a reset"
		c.conn.SetLinger(0)
	case x.Half:
		o.Title += " for sending"
	}
	if err := l.watchClosing(c, x); err != nil {
		return nil, err
	}
	defer c.closing.stop()
	underWay(ctx)
	err := l.end(c, x)
	o.Elapsed = time.Since(o.Began)
	if errors.Is(err, unix.ENOTCONN) {
		o.Errno, o.Detail = errnoName(unix.ENOTCONN), "the connection had ended before"
		c.closing = nil
		return o, c.watch.observe(o, c)
	}
	if err != nil {
		return nil, fmt.Errorf("close %s: %w", x.Connection, err)
	}
	if err := c.closing.follow(ctx, l, o); err != nil {
		return nil, err
	}
	c.watch.settle(ctx, c, o.Path)
	err = c.watch.observe(o, c)
	if c.closing != nil {
		o.TimeWait, o.FinWait2 = lasted(o, observe.TimeWait), lasted(o, observe.FinWait2)
	}
	c.closing = nil
	return o, err
}

// end ends a connection, or its own side alone (shutdown(2), SHUT_WR).
func (l *Lab) end(c *connection, x spec.Close) error {
	if x.Half {
		return c.conn.CloseWrite()
	}
	defer l.drop(x.Connection)
	return c.conn.Close()
}

// notOpen is what there is to say of a step on a connection that was never
// established.
func notOpen(o *verdict.Observation) *verdict.Observation {
	o.Began = time.Now()
	o.Outcome, o.Detail = agents.Failed, "the connection is not open: the step that names it did not connect"
	return o
}

// again begins a step on a connection that is open. What is seen of it counts
// from now, and so do the rules.
func (l *Lab) again(o *verdict.Observation, c *connection) error {
	p := l.net.Plan
	o.From, o.Local, o.Remote = p.Nodes[c.from].Name, c.local, c.remote
	if c.target >= 0 {
		o.Target = p.Nodes[c.target].Name
	}
	o.Path = l.path(p.Walk(c.from, c.remote), c)
	err := c.watch.step()
	o.Estimate = c.estimate()
	if t := l.tracer(); t != nil {
		c.states = t.Mark()
	}
	o.Began = time.Now()
	return err
}

func orDefault(timeout time.Duration) time.Duration {
	if timeout == 0 {
		return defaultTimeout
	}
	return timeout
}

// errnoName is an errno's symbol, such as ECONNREFUSED; empty for none.
func errnoName(e unix.Errno) string {
	if e == 0 {
		return ""
	}
	return unix.ErrnoName(e)
}
