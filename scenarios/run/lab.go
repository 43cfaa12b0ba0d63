// Package run builds networks, performs what scenarios say on them and gathers
// what is observed. It is also the library's entrance: a Lab is a network that a
// Go test can connect across and ask about.
package run

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"testbed/agents"
	"testbed/agents/dns"
	"testbed/agents/exec"
	"testbed/agents/server"
	"testbed/agents/tcp"
	"testbed/agents/tls"
	"testbed/netem"
	"testbed/observe/capture"
	"testbed/observe/kernel"
	"testbed/observe/record"
	"testbed/scenarios/timers"
	"testbed/scenarios/verdict"
	"testbed/topo"
	"testbed/topo/build"
	"testbed/topo/netns"
	"testbed/topo/ruleset"
	"testbed/topo/sandbox"
)

// maxDrops bounds how many of the links' drops, and strikes, are kept, the latest.
const maxDrops = 1 << 17

// ErrOutside means that the program is not in a sandbox.
var ErrOutside = errors.New("not in a sandbox: call sandbox.Enter at the beginning of main, or sandbox.TestMain in TestMain")

// Lab is a running network with its servers and what watches it. Its methods are
// safe for concurrent use but for Set and Close, and as long as no two of them are
// about the same kept connection.
type Lab struct {
	net       *build.Network
	capture   *capture.Capture
	tracer    func() *kernel.Tracer
	authority *tls.Authority
	servers   []map[uint16]*running
	// resolvers are the DNS servers, by node; later is what they will be set to.
	resolvers map[int]*dns.Server
	later     []*topo.Resolver
	closed    bool
	// clock is the one that steps run on.
	clock verdict.Clock
	// mutated is true where a scenario is run to see it fail.
	mutated bool

	mu sync.Mutex
	// renewed is when a step last gave a node other rules, by its name: these count from
	// zero.
	renewed map[string]time.Time
	// foreign are the packets of all floods so far, floods those that are in the
	// background.
	foreign []foreign
	floods  []*flooding
	// scans counts the scans, so that each one has source ports of its own.
	scans int
	kept  map[string]*connection
	// sessions are the TLS sessions that clients may resume, by their node.
	sessions map[string]*tls.Sessions
	drops    *record.Record[netem.Drop]
	strikes  *record.Record[netem.Strike]
	// daemons are the programs in the background.
	daemons []*exec.Daemon
}

// running is a listener and its server.
type running struct {
	listener topo.Listener
	server   *tcp.Listener
}

// connection is one that a step keeps open.
type connection struct {
	conn          *net.TCPConn
	from, target  int
	local, remote netip.AddrPort
	// watch began with the connection, so that its packets are told apart.
	watch *watch
	// exchanged is true once something was exchanged on it, and owed is how many
	// bytes are still to come of answers that were not waited for.
	exchanged bool
	owed      int
	// died is how an earlier step found that it had ended with an error, which its
	// socket tells once; empty if none did.
	died agents.Outcome
	// last is the estimate of its retransmissions as it was last known; states is
	// the tracer's mark at the beginning of the last step on it.
	last   timers.Estimate
	states int
	// far are the connection's ends as the server's socket has them, local first;
	// invalid until the server was seen.
	far [2]netip.AddrPort
	// closing is what its sockets were seen to become after close(2); may be nil.
	closing *closing
	// told is when the last packet was sent that a step has told of, and turnedAway what its
	// server's listeners had dropped then.
	told       time.Time
	turnedAway turnedAway
}

// Open builds a topology and starts its servers. The caller closes the lab. The
// program must be in a sandbox.
func Open(ctx context.Context, t *topo.Topology) (*Lab, error) {
	return open(ctx, t, labOptions{snapLen: snapLen(t, nil)})
}

// open is Open with so many bytes kept of each frame, zero for the default.
func open(ctx context.Context, t *topo.Topology, o labOptions) (*Lab, error) {
	if !sandbox.Inside() {
		return nil, ErrOutside
	}
	l := &Lab{drops: record.New[netem.Drop](maxDrops), strikes: record.New[netem.Strike](maxDrops), kept: map[string]*connection{}, renewed: map[string]time.Time{}, sessions: map[string]*tls.Sessions{}, tracer: traceStates(), clock: o.clock, mutated: o.mutated, resolvers: map[int]*dns.Server{}, later: o.resolvers}
	authority := make(chan error, 1)
	go func() (err error) {
		l.authority, err = tls.NewAuthority()
		authority <- err
		return
	}()
	var err error
	refused := ruleset.Check(o.rulesets)
	opening := &opening{snapLen: o.snapLen}
	l.net, err = build.Up(t, build.Options{
		Links: o.links, Later: o.later, Repeats: o.repeats,
		OnDrop: l.onDrop, OnFault: l.onFault, OnEther: opening.begin,
		BeforeTraffic: func(n *build.Network) error { return l.startCapture(n, opening) },
	})
	if err := errors.Join(err, refused, <-authority, l.openedCapture(opening)); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if err := l.watchStates(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	l.servers = make([]map[uint16]*running, len(t.Nodes))
	for i := range t.Nodes {
		if err := ctx.Err(); err != nil {
			return nil, errors.Join(err, l.Close())
		}
		if err := errors.Join(l.listen(i, t.Nodes[i].Listen), l.resolver(i)); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	return l, nil
}

// labOptions are what a scenario's lab has beyond a topology's own.
type labOptions struct {
	snapLen int
	clock   verdict.Clock
	mutated bool
	// resolvers are those that steps will set, so that certificates are for their names.
	resolvers []*topo.Resolver
	// rulesets are those that steps will load.
	rulesets []topo.Ruleset
	// The others are those of build.Options.
	links   netem.MediumName
	later   []netem.Impairment
	repeats bool
}

// Links is the medium that carries the links.
func (l *Lab) Links() netem.MediumName { return l.net.Links() }

// Close ends every connection and server, and takes the network down. Further
// calls do nothing.
func (l *Lab) Close() error {
	if l.closed {
		return nil
	}
	l.closed = true
	var errs []error
	for _, d := range l.daemons {
		d.Stop()
	}
	for _, f := range l.floods {
		f.stop()
		<-f.ended
	}
	if !kernel.AbortsUnowned() {
		errs = append(errs, l.abort())
	}
	for _, c := range l.kept {
		c.conn.Close()
	}
	for _, ports := range l.servers {
		for _, r := range ports {
			errs = append(errs, r.server.Close())
		}
	}
	for _, s := range l.resolvers {
		errs = append(errs, s.Close())
	}
	if kernel.AbortsUnowned() {
		errs = append(errs, l.abort())
	}
	if l.net != nil {
		errs = append(errs, l.forgetStates(), l.net.Close())
	}
	if l.capture != nil {
		errs = append(errs, l.capture.Close())
	}
	return errors.Join(errs...)
}

// abort ends the connections that are left, of agents and programs: once the links
// are gone nobody answers their FINs, and the kernel would keep the namespaces as
// long as it sends these again. Where it can't be told to, it does that.
func (l *Lab) abort() error {
	if l.net == nil {
		return nil
	}
	var errs []error
	for _, n := range l.net.Nodes {
		err := abortIn(n.NS)
		if missing := (*sandbox.Unavailable)(nil); !errors.As(err, &missing) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func abortIn(ns *netns.NS) error {
	sockets, err := kernel.OpenSockets(ns)
	if err != nil {
		return err
	}
	return errors.Join(sockets.Abort(), sockets.Close())
}

// Plan is what the network is now.
func (l *Lab) Plan() *topo.Plan { return l.net.Plan }

// Program is where programs of a node run, for package exec.
func (l *Lab) Program(node int) exec.Node {
	return exec.Node{
		NS: l.net.Nodes[node].NS, Name: l.net.Plan.Nodes[node].Name, Hosts: l.net.Plan.Hosts(node),
		Nameservers: l.net.Plan.Nameservers(node), Stub: l.net.Plan.Topology.Nodes[node].Stub.WithDefaults(),
		Trust: l.authority.PEM(),
	}
}

// onDrop keeps what a link dropped. It runs on the medium's thread.
func (l *Lab) onDrop(d netem.Drop) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drops.Append(d)
}

// onFault keeps what faults did otherwise. It runs on the medium's thread.
func (l *Lab) onFault(s netem.Strike) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.strikes.Append(s)
}

// dropsSince and strikesSince are those from a moment on.
func (l *Lab) dropsSince(t time.Time) []netem.Drop {
	return recorded(l, l.drops, t, func(d netem.Drop) time.Time { return d.Time })
}

func (l *Lab) strikesSince(t time.Time) []netem.Strike {
	return recorded(l, l.strikes, t, func(s netem.Strike) time.Time { return s.Time })
}

// recorded is what was recorded from a moment on.
func recorded[T any](l *Lab, r *record.Record[T], t time.Time, at func(T) time.Time) []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := r.Since(0)
	i, _ := slices.BinarySearchFunc(all, t, func(x T, t time.Time) int { return at(x).Compare(t) })
	return slices.Clone(all[i:])
}

// listen makes a node's servers be these: what is there already stays, with its
// connections, and what is not named ends.
func (l *Lab) listen(node int, listeners []topo.Listener) error {
	was, now := l.servers[node], map[uint16]*running{}
	for _, want := range listeners {
		if r := was[want.Port]; r != nil && r.listener == want {
			now[want.Port] = r
			delete(was, want.Port)
		}
	}
	var errs []error
	for _, r := range was {
		errs = append(errs, r.server.Close())
	}
	l.servers[node] = now
	for _, want := range listeners {
		if now[want.Port] != nil {
			continue
		}
		s, err := server.Start(l.serverNode(node), want)
		if err != nil {
			return errors.Join(append(errs, fmt.Errorf("node %s: %w", l.net.Plan.Nodes[node].Name, err))...)
		}
		now[want.Port] = &running{listener: want, server: s}
	}
	return errors.Join(errs...)
}

// serverNode is where a node's servers run. They are also reached by the names
// and outside addresses of the NATs that forward to it.
func (l *Lab) serverNode(node int) server.Node {
	p := l.net.Plan
	n := server.Node{NS: l.net.Nodes[node].NS, Name: p.Nodes[node].Name, Authority: l.authority}
	n.Aliases = p.DomainNames(node, l.later)
	add := func(f *topo.Interface) {
		for _, a := range f.Addresses {
			n.Addresses = append(n.Addresses, a.Addr())
		}
	}
	for i := range p.Nodes[node].Interfaces {
		add(&p.Nodes[node].Interfaces[i])
	}
	for _, front := range p.Fronts(node) {
		n.Aliases = append(append(n.Aliases, p.Nodes[front].Name), p.DomainNames(front, l.later)...)
		add(p.Nodes[front].Toward(p.Topology.Nodes[front].NAT.Outside))
	}
	return n
}
