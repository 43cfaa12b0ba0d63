package run_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"testbed/agents"
	"testbed/netem"
	"testbed/observe"
	"testbed/scenarios/run"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

// named is client – router – dns and router – server, 2 ms each way, where the
// client asks the resolver at dns.
func named(records ...topo.Record) *topo.Topology {
	both := [2]netem.Impairment{{Delay: 2 * time.Millisecond}, {Delay: 2 * time.Millisecond}}
	link := func(a, b string) topo.Link { return topo.Link{Ends: [2]string{a, b}, Toward: both} }
	return &topo.Topology{
		Seed: 1,
		Nodes: []topo.Node{
			{Name: "client", Role: topo.Host, Stub: topo.Stub{Servers: []string{"dns"}, Timeout: time.Second, Attempts: 1}},
			{Name: "router", Role: topo.Router},
			{Name: "dns", Role: topo.Host, Resolver: &topo.Resolver{Records: records}},
			{Name: "server", Role: topo.Host, Listen: []topo.Listener{{Port: 80, Serve: topo.ServeEcho}, {Port: 443, Serve: topo.ServeHTTPS}}},
		},
		Links: []topo.Link{link("client", "router"), link("router", "dns"), link("router", "server")},
	}
}

func record(name string, targets ...string) topo.Record {
	r := topo.Record{Name: name}
	for _, t := range targets {
		if a, err := netip.ParseAddr(t); err == nil {
			r.Targets = append(r.Targets, topo.RecordTarget{Address: a})
		} else {
			r.Targets = append(r.Targets, topo.RecordTarget{Node: t})
		}
	}
	return r
}

func connect(t *testing.T, lab *run.Lab, c spec.Connect) *verdict.Observation {
	t.Helper()
	c.From = "client"
	o, err := lab.Connect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// tried are the attempts in short: "4 connected, 6 abandoned".
func tried(o *verdict.Observation) string {
	var s []string
	for _, a := range o.Attempts {
		family := 6
		if a.To.Addr().Is4() {
			family = 4
		}
		s = append(s, fmt.Sprint(family, " ", a.Outcome))
	}
	return strings.Join(s, ", ")
}

// replies are what became of the queries: "AAAA NOERROR".
func replies(o *verdict.Observation) string {
	var s []string
	for _, q := range o.Queries {
		s = append(s, fmt.Sprintf("%s %s", q.Type, q.Reply))
	}
	slices.Sort(s)
	return strings.Join(s, ", ")
}

func TestANameIsResolvedInItsNode(t *testing.T) {
	lab := open(t, named(record("www.example", "server")))
	o := connect(t, lab, spec.Connect{Target: target("www.example", 80), Family: spec.IPv4})
	if o.Outcome != agents.Connected || o.Target != "server" || tried(o) != "4 connected" || replies(o) != "A NOERROR" || o.Queries[0].Node != "dns" {
		t.Fatalf("%s to %q: %s: %s: %+v", o.Outcome, o.Target, tried(o), o.Detail, o.Queries)
	}
	if *o.ResolveTime < 8*time.Millisecond || o.Attempts[0].At < *o.ResolveTime || o.Elapsed < 16*time.Millisecond {
		t.Errorf("resolved after %v, attempted from %v on, connected after %v", *o.ResolveTime, o.Attempts[0].At, o.Elapsed)
	}
	if len(o.Beside) != 2 || o.Beside[0].Packet().UDP.DNS.Name != "www.example" {
		t.Errorf("%d packets beside the connection", len(o.Beside))
	}
	h, err := lab.HTTP(t.Context(), spec.HTTP{From: "client", URL: "https://www.example/", TLS: true, Target: target("www.example", 443), Path: "/", Family: spec.AnyFamily})
	if err != nil {
		t.Fatal(err)
	}
	if h.Status != 200 || *h.TLSTime < *h.ConnectTime || *h.ConnectTime < *h.ResolveTime {
		t.Errorf("%s, status %d: %s", h.Outcome, h.Status, h.Detail)
	}
}

func TestANameWithoutAConnection(t *testing.T) {
	t.Parallel()
	// A lab keeps its topology, and its resolver may still look at it.
	fresh := func() *topo.Topology {
		return named(record("mail.example"), topo.Record{Name: "gone.example", Missing: true}, record("www.example", "server"))
	}
	lab := open(t, fresh())
	for name, missing := range map[string]string{"mail.example": "A NOERROR", "gone.example": "A NXDOMAIN", "unheard.of": "A NXDOMAIN"} {
		o := connect(t, lab, spec.Connect{Target: target(name, 80), Family: spec.IPv4})
		if o.Outcome != agents.NoSuchName || o.Errno != "EAI_NONAME" || len(o.Attempts) != 0 || replies(o) != missing {
			t.Errorf("%s: %s %s, %s", name, o.Outcome, o.Errno, replies(o))
		}
	}
	topology := fresh()
	topology.Nodes[2].Resolver.Silent = []topo.RecordType{topo.A}
	silent := open(t, topology)
	o := connect(t, silent, spec.Connect{Target: target("www.example", 80), Family: spec.IPv4})
	if o.Outcome != agents.ResolutionFailed || o.Errno != "EAI_AGAIN" || replies(o) != "A timed-out" || o.Elapsed < time.Second {
		t.Errorf("silent: %s %s after %v, %s", o.Outcome, o.Errno, o.Elapsed, replies(o))
	}
	o = connect(t, silent, spec.Connect{Target: target("www.example", 80), Family: spec.IPv4, Timeout: 30 * time.Millisecond})
	if o.Outcome != agents.TimedOut || !o.Deadline || replies(o) != "A abandoned" || o.Elapsed > 500*time.Millisecond {
		t.Errorf("silent, with a timeout: %s after %v, %s", o.Outcome, o.Elapsed, replies(o))
	}
	topology = fresh()
	topology.Nodes[2].Resolver = nil
	o = connect(t, open(t, topology), spec.Connect{Target: target("www.example", 80), Family: spec.IPv4})
	if o.Outcome != agents.ResolutionFailed || replies(o) != "A ECONNREFUSED" || o.Elapsed > 500*time.Millisecond {
		t.Errorf("no resolver there: %s after %v, %s", o.Outcome, o.Elapsed, replies(o))
	}
}

func TestTheNextResolverIsAsked(t *testing.T) {
	topology := named(record("www.example", "server"))
	topology.Nodes[0].Stub.Servers = []string{"server", "dns"}
	o := connect(t, open(t, topology), spec.Connect{Target: target("www.example", 80), Family: spec.IPv6})
	if o.Outcome != agents.Connected || replies(o) != "AAAA ECONNREFUSED, AAAA NOERROR" {
		t.Errorf("%s, %s", o.Outcome, replies(o))
	}
}

// long is named with a name whose addresses are more than a datagram may hold.
func long() *topo.Topology {
	var many []string
	for i := range 40 {
		many = append(many, fmt.Sprintf("203.0.113.%d", i+1))
	}
	return named(record("www.example", append([]string{"server"}, many...)...))
}

func TestALongAnswerComesOverTCP(t *testing.T) {
	topology := long()
	o := connect(t, open(t, topology), spec.Connect{Target: target("www.example", 80), Family: spec.IPv4})
	if o.Outcome != agents.Connected || replies(o) != "A NOERROR, A truncated" || len(o.Queries[1].Addresses) != 41 || !o.Queries[1].TCP {
		t.Errorf("%s, %s, %d addresses", o.Outcome, replies(o), len(o.Queries[1].Addresses))
	}
}

// The question that is asked again over TCP has its own timeout, and the step has
// another.
func TestAQuestionOverTCPIsGivenUp(t *testing.T) {
	t.Parallel()
	topology := long()
	topology.Nodes[1].Firewall = []topo.Rule{{Name: "no-tcp", Hook: topo.Forward, Match: topo.Match{Proto: "tcp", Dport: topo.PortRange{First: 53, Last: 53}}, Action: topo.DropPacket}}
	lab := open(t, topology)
	for timeout, want := range map[time.Duration]string{300 * time.Millisecond: "A abandoned, A truncated", 0: "A timed-out, A truncated"} {
		o := connect(t, lab, spec.Connect{Target: target("www.example", 80), Family: spec.IPv4, Timeout: timeout})
		if replies(o) != want || o.Deadline != (timeout > 0) {
			t.Errorf("timeout %v: %s, %s, deadline %v", timeout, o.Outcome, replies(o), o.Deadline)
		}
	}
}

func TestAResolverBeyondANAT(t *testing.T) {
	topology := named(record("www.example", "server"))
	topology.Nodes[1].NAT = &topo.NAT{Outside: "dns"}
	topology.Nodes[0].Stub.Servers = []string{"dns"}
	o := connect(t, open(t, topology), spec.Connect{Target: target("www.example", 80), Family: spec.IPv4})
	if o.Outcome != agents.Connected || len(o.Beside) != 2 || !o.Beside[1].Fate.Delivered {
		t.Errorf("%s: %s, %d packets beside", o.Outcome, o.Detail, len(o.Beside))
	}
}

// slow makes the way to the server take so long, one way, for IPv6 alone: by another
// node that only IPv6 goes to.
func slow(topology *topo.Topology, d time.Duration) *topo.Topology {
	topology.Nodes = append(topology.Nodes, topo.Node{Name: "far", Role: topo.Host, Listen: []topo.Listener{{Port: 80, Serve: topo.ServeEcho}}})
	topology.Links = append(topology.Links, topo.Link{Ends: [2]string{"router", "far"}, Toward: [2]netem.Impairment{{Delay: d}, {Delay: d}}})
	return topology
}

func TestHappyEyeballs(t *testing.T) {
	t.Parallel()
	dead := "2001:db8:dead::1"
	quick := spec.Eyeballs{AttemptDelay: 200 * time.Millisecond}
	for _, c := range []struct {
		name     string
		topology *topo.Topology
		change   func(*topo.Topology)
		want     string
	}{
		{"both work", named(record("www.example", "server")), nil, "6 connected"},
		{"IPv6 alone", named(record("www.example", "2001:db8:0:2::2")), nil, "6 connected"},
		{"no route for IPv6", named(record("www.example", dead, "server")), nil, "6 network-unreachable, 4 connected"},
		{"IPv6 is swallowed", named(record("www.example", dead, "server")), blackhole(dead), "6 abandoned, 4 connected"},
		{"families take turns", named(record("www.example", dead, "2001:db8:dead::2", "203.0.113.1", "server")), blackhole(dead, "2001:db8:dead::2", "203.0.113.1"), "6 abandoned, 4 abandoned, 6 abandoned, 4 connected"},
		{"nothing works", named(record("www.example", dead, "203.0.113.1")), nil, "6 network-unreachable, 4 network-unreachable"},
	} {
		if c.change != nil {
			c.change(c.topology)
		}
		o := connect(t, open(t, c.topology), spec.Connect{Target: target("www.example", 80), Family: spec.HappyEyeballs, Eyeballs: quick})
		if tried(o) != c.want || (o.Outcome == agents.Connected) != strings.Contains(c.want, "connected") {
			t.Errorf("%s: %s, %s", c.name, o.Outcome, tried(o))
		}
		for i := 1; i < len(o.Attempts); i++ {
			gap := o.Attempts[i].At - o.Attempts[i-1].At
			if before := o.Attempts[i-1].Outcome; before == agents.Abandoned && gap < quick.AttemptDelay || before == agents.NetworkUnreachable && gap >= quick.AttemptDelay {
				t.Errorf("%s: attempt %d began %v after the one before, which was %s", c.name, i+1, gap, before)
			}
		}
	}
}

// blackhole has the router swallow what goes to addresses.
func blackhole(addresses ...string) func(*topo.Topology) {
	return func(t *topo.Topology) {
		for _, a := range addresses {
			to := netip.MustParseAddr(a)
			t.Nodes[1].Routes = append(t.Nodes[1].Routes, topo.Route{To: netip.PrefixFrom(to, to.BitLen()), Kind: topo.Blackhole})
		}
	}
}

// A loser that would have connected later is closed, and its SYN-ACK answered by a
// RST of the client's.
func TestALoserThatIsAnsweredLater(t *testing.T) {
	topology := slow(named(), 150*time.Millisecond)
	topology.Nodes[2].Resolver.Records = []topo.Record{record("www.example", "2001:db8:0:3::2", "198.18.0.10")}
	lab := open(t, topology)
	if far := lab.Plan().Resolve(0, 4, false); far != netip.MustParseAddr("2001:db8:0:3::2") {
		t.Fatalf("far is %v", far)
	}
	o := connect(t, lab, spec.Connect{Target: target("www.example", 80), Family: spec.HappyEyeballs, Eyeballs: spec.Eyeballs{AttemptDelay: 50 * time.Millisecond}})
	if tried(o) != "6 abandoned, 4 connected" || o.Target != "server" {
		t.Fatalf("%s to %s", tried(o), o.Target)
	}
	rst := slices.ContainsFunc(o.Beside, func(j observe.Journey) bool {
		p := j.Packet()
		return p.TCP != nil && p.TCP.Flags&topo.RST != 0 && p.Dst == o.Attempts[0].To.Addr()
	})
	if !rst {
		t.Error("no RST went to the loser's address")
	}
}

func TestIPv4WaitsForTheAnswerForIPv6(t *testing.T) {
	topology := named(record("www.example", "server"))
	topology.Nodes[2].Resolver.Delay = map[topo.RecordType]time.Duration{topo.AAAA: 100 * time.Millisecond}
	lab := open(t, topology)
	short, long, none := 40*time.Millisecond, 400*time.Millisecond, time.Duration(0)
	for _, c := range []struct {
		delay       *time.Duration
		want        string
		least, most time.Duration
	}{
		{&none, "4 connected", 8 * time.Millisecond, 45 * time.Millisecond},
		{&short, "4 connected", 48 * time.Millisecond, 95 * time.Millisecond},
		{&long, "6 connected", 108 * time.Millisecond, 300 * time.Millisecond},
	} {
		o := connect(t, lab, spec.Connect{Target: target("www.example", 80), Family: spec.HappyEyeballs, Eyeballs: spec.Eyeballs{ResolutionDelay: c.delay}})
		if tried(o) != c.want || *o.ResolveTime < c.least || *o.ResolveTime > c.most {
			t.Errorf("with a resolution delay of %v: %s, resolved after %v", *c.delay, tried(o), *o.ResolveTime)
		}
	}
	o := connect(t, lab, spec.Connect{Target: target("server", 80), Family: spec.HappyEyeballs})
	if tried(o) != "6 connected" || o.ResolveTime != nil || len(o.Queries) != 0 {
		t.Errorf("a node's own name: %s, %d queries", tried(o), len(o.Queries))
	}
}

func TestOneAddressAfterTheOther(t *testing.T) {
	topology := named(record("www.example", "203.0.113.1", "server"))
	o := connect(t, open(t, topology), spec.Connect{Target: target("www.example", 80), Family: spec.AnyFamily})
	if tried(o) != "6 connected" {
		t.Errorf("any: %s", tried(o))
	}
	blackhole("203.0.113.1")(topology)
	lab := open(t, topology)
	o = connect(t, lab, spec.Connect{Target: target("www.example", 80), Family: spec.IPv4, Timeout: 100 * time.Millisecond, As: "app"})
	if tried(o) != "4 timed-out" || o.Outcome != agents.TimedOut || !o.Deadline {
		t.Errorf("ipv4 within 100 ms: %s, %s", tried(o), o.Outcome)
	}
}

func TestACancelledRace(t *testing.T) {
	topology := named(record("www.example", "203.0.113.1"))
	blackhole("203.0.113.1")(topology)
	lab := open(t, topology)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := lab.Connect(ctx, spec.Connect{From: "client", Target: target("www.example", 80), Family: spec.HappyEyeballs}); err == nil {
		t.Error("a cancelled attempt has an observation")
	}
}

func TestKeptByName(t *testing.T) {
	lab := open(t, named(record("www.example", "server")))
	connect(t, lab, spec.Connect{Target: target("www.example", 80), Family: spec.HappyEyeballs, As: "app", KeepAlive: true})
	o, err := lab.Exchange(t.Context(), spec.Exchange{Connection: "app", Send: "hello"})
	if err != nil || o.Answer != "hello" || o.Target != "server" {
		t.Errorf("answer %q from %s (%v)", o.Answer, o.Target, err)
	}
}

func TestProgramsAskTheResolver(t *testing.T) {
	lab := open(t, named(record("www.example", "server")))
	o, err := lab.Exec(t.Context(), spec.Exec{From: "client", Args: []string{"sh", "-c", "cat /etc/resolv.conf; getent ahostsv4 www.example | grep -c STREAM; getent hosts gone.example || echo none"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := "nameserver 198.18.0.6\noptions timeout:1 attempts:1\n1\nnone\n"; o.Stdout != want {
		t.Errorf("stdout %q, want %q; %s", o.Stdout, want, o.Stderr)
	}
}

func TestAResolverLearns(t *testing.T) {
	scenario, err := spec.Decode("moved.yaml", []byte(`
name: moved
nodes:
  client: {nameservers: [dns]}
  router: {role: router}
  dns: {resolver: {records: {www.example: old}}}
  old: {listen: [{port: 443, serve: https}]}
  new: {listen: [{port: 443, serve: https}]}
links: [{between: [client, router]}, {between: [dns, router]}, {between: [old, router]}, {between: [new, router]}]
steps:
  - {http: "https://www.example/", from: client, expect: {connected_to: old}}
  - set: {node: dns, resolver: {records: {www.example: new, gone.example: nxdomain}, delay: {A: 30ms}}}
  - {http: "https://www.example/", from: client, expect: {status: 200, connected_to: new, resolve_time: ">= 30ms"}}
  - {connect: "gone.example:443", from: client, expect: {outcome: no-such-name}}
`))
	if err != nil {
		t.Fatal(err)
	}
	r := run.Scenario(t.Context(), scenario, run.Options{})
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	for i, s := range r.Steps {
		if !s.Verdict.OK {
			t.Errorf("step %d: %+v", i+1, s.Verdict.Checks)
		}
	}
}
