package report

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"testbed/agents"
	"testbed/netem"
	"testbed/observe"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

var update = flag.Bool("update", false, "write the golden files anew")

// story is one observation and how its verdict went.
type storyCase struct {
	name   string
	world  *world
	topo   *topo.Topology
	before []verdict.StepResult
	checks []verdict.Check
}

func bad(key, expected, observed string) []verdict.Check {
	return []verdict.Check{{Key: key, Expected: expected, Observed: observed}}
}

func storyCases() []storyCase {
	var cases []storyCase
	cases = append(cases, connectedCases()...)
	cases = append(cases, refusedCases()...)
	cases = append(cases, silentCases()...)
	cases = append(cases, unreachableCases()...)
	cases = append(cases, streamCases()...)
	cases = append(cases, awaitCases()...)
	cases = append(cases, endingCases()...)
	cases = append(cases, resumedCases()...)
	cases = append(cases, openingCases()...)
	cases = append(cases, transferCases()...)
	cases = append(cases, requestCases()...)
	cases = append(cases, middleboxCases()...)
	cases = append(cases, nameCases()...)
	return append(cases, commandCases()...)
}

func up() *world {
	return newWorld(agents.Connected, "", 100300*time.Microsecond).connectTime(100300 * time.Microsecond)
}

func connectedCases() []storyCase {
	half := up().syns(arrives, 0).sends(50*ms, "server", reply(synAckBits, 0), arrives).
		sends(100*ms, "client", tcp(topo.ACK, 0), byRule("fw", "eat-ack", "")).
		sends(1050*ms, "server", reply(synAckBits, 0), arrives).
		sends(1100*ms, "client", tcp(topo.ACK, 0), byRule("fw", "eat-ack", "")).
		states([]observe.State{observe.SynSent, observe.Established}, []observe.State{observe.SynReceived})
	slow := newWorld(agents.Connected, "", 220*ms).connectTime(220 * ms)
	slow.delay = []time.Duration{20 * ms, 90 * ms}
	slow.handshake(0)
	paced, limited := newWorld(agents.Connected, "", 118500*time.Microsecond).connectTime(118500*time.Microsecond), network()
	paced.delay = []time.Duration{20 * ms, 39250 * time.Microsecond}
	paced.handshake(0)
	for i := range limited.Links[1].Toward {
		limited.Links[1].Toward[i].Rate = 57_086
	}
	return []storyCase{
		{name: "connected over a link with a rate", world: paced, topo: &limited, checks: bad("connect_time", "1 rtt = 100ms", "118.5ms")},
		{name: "connected", world: up().handshake(0).acceptTime(150200 * time.Microsecond)},
		{name: "connected, with a SYN that a fault delayed and duplicated", world: newWorld(agents.Connected, "", 600*ms).connectTime(600*ms).syns(arrives, 0).
			struck(observe.Strike{Link: [2]string{"client", "fw"}, Fault: "late", Do: netem.DelayPacket, By: 500 * ms}, observe.Strike{Link: [2]string{"fw", "server"}, Fault: "copy", Do: netem.DuplicatePacket, By: 2 * time.Second}).
			sends(550*ms, "server", reply(synAckBits, 0), arrives).struck(observe.Strike{Link: [2]string{"server", "fw"}, Fault: "twice", Do: netem.DuplicatePacket})},
		{name: "connected, seen by the agent alone", world: up()},
		{name: "connected after the first SYN was lost", world: newWorld(agents.Connected, "", 1124*ms).connectTime(1124*ms).
			syns(onTheLink("client", "fw", netem.Lost), 0).handshake(1023 * ms), checks: bad("connect_time", "1 rtt = 100ms", "1.12s")},
		{name: "connected after SYN-ACKs were lost", world: newWorld(agents.Connected, "", 1111*ms).connectTime(1111*ms).
			syns(arrives, 0).sends(50*ms, "server", reply(synAckBits, 0), onTheLink("server", "fw", netem.Lost)).
			syns(arrives, 1010*ms).sends(1060*ms, "server", reply(synAckBits, 0), arrives)},
		{name: "connected, the link slower than configured", world: slow, checks: bad("connect_time", "1 rtt = 100ms", "220ms")},
		{name: "connected as configured, expectation too high", world: up().handshake(0), checks: bad("connect_time", "300ms", "100.3ms")},
		{name: "connected, the client itself late", world: newWorld(agents.Connected, "", 112*ms).connectTime(112 * ms).handshake(0)},
		{name: "connected though it should not", world: up().handshake(0), checks: bad("outcome", "timed-out", "connected")},
		{name: "the final ACK lost", world: half},
	}
}

func refusedCases() []storyCase {
	refused := func(after time.Duration) *world { return newWorld(agents.Refused, "ECONNREFUSED", after) }
	rst := func() *observe.Packet { return reply(topo.RST|topo.ACK, 0) }
	return []storyCase{
		{name: "refused by a closed port", world: refused(100*ms).syns(arrives, 0).sends(50*ms, "server", rst(), arrives), checks: bad("outcome", "connected", "refused")},
		{name: "refused by a service that stopped", world: refused(100*ms).syns(arrives, 0).sends(50*ms, "server", rst(), arrives),
			topo: ptr(serving()), before: []verdict.StepResult{{Step: &spec.Step{Set: &spec.Set{Node: "server", Listen: &[]topo.Listener{}}}}}},
		{name: "refused by a fault of a link", world: refused(100*ms).syns(byFault("fw", "server", "nope"), 0).makes(50*ms, rst(), "nope")},
		{name: "refused by a fault that reset the answer", world: refused(100*ms).syns(arrives, 0).sends(50*ms, "server", reply(synAckBits, 0), byFault("server", "fw", "nope")).makes(60*ms, rst(), "nope")},
		{name: "refused after a loss", world: refused(1120*ms).syns(onTheLink("client", "fw", netem.Lost), 0).syns(arrives, 1020*ms).sends(1070*ms, "server", rst(), arrives)},
		{name: "refused by a firewall's RST", world: refused(40*ms).syns(byRule("fw", "no-web", "tcp-reset"), 0).sends(20*ms, "fw", rst(), arrives),
			topo: ptr(network()), checks: bad("outcome", "connected", "refused")},
		{name: "refused by a firewall's ICMP", world: refused(40*ms).syns(byRule("fw", "no-web", "port-unreachable"), 0).sends(20*ms, "fw", icmp(fwAddr, 3, 3), arrives)},
		{name: "refused by the server's own firewall", world: refused(100*ms).syns(byRule("server", "local", "tcp-reset"), 0).sends(50*ms, "server", rst(), arrives)},
		{name: "refused by an unknown RST on the path", world: refused(40*ms).syns(at("fw", observe.Unknown), 0).sends(20*ms, "fw", rst(), arrives)},
		{name: "refused, no packet seen", world: refused(100 * ms)},
		{name: "refused, only the rule's counter seen", world: refused(40*ms).rule("fw", "no-web", topo.Reject, 1)},
	}
}

func silentCases() []storyCase {
	silent := func() *world { return newWorld(agents.TimedOut, "ETIMEDOUT", 7170*ms) }
	when := []time.Duration{0, 1020 * ms, 3070 * ms}
	own := newWorld(agents.TimedOut, "", 3*time.Second)
	own.obs.Deadline = true
	back := silent()
	for _, t := range when {
		back.syns(arrives, t).sends(t+50*ms, "server", reply(synAckBits, 0), byRule("fw", "no-return", ""))
	}
	nobody := silent()
	nobody.obs.Target, nobody.obs.Remote = "", netip.MustParseAddrPort("203.0.113.9:80")
	nobody.step.Connect.Target = spec.Target{Host: "203.0.113.9", Port: 80}
	return []storyCase{
		{name: "SYNs dropped by a rule", world: silent().syns(byRule("fw", "block-web", ""), when...), checks: bad("outcome", "connected", "timed-out")},
		{name: "SYNs lost on a link", world: silent().syns(onTheLink("fw", "server", netem.Lost), when...)},
		{name: "SYNs corrupted on a link", world: silent().syns(onTheLink("fw", "server", netem.Cause(observe.Corrupted)), when...), checks: bad("outcome", "connected", "timed-out")},
		{name: "SYNs lost in a burst", world: silent().syns(onTheLink("client", "fw", netem.Cause(observe.Burst)), when...), checks: bad("outcome", "connected", "timed-out")},
		{name: "SYNs at a full queue", world: silent().syns(onTheLink("client", "fw", netem.Overflow), when...), checks: bad("outcome", "connected", "timed-out")},
		{name: "SYNs into a link that is down", world: silent().syns(onTheLink("fw", "server", netem.LinkDown), when...), checks: bad("outcome", "connected", "timed-out")},
		{name: "SYN-ACKs dropped on the way back", world: back, checks: bad("outcome", "connected", "timed-out")},
		{name: "SYNs into a blackhole route", world: silent().syns(at("fw", observe.ByBlackhole), when...)},
		{name: "SYNs at a full accept queue", world: silent().syns(at("server", observe.ByFullQueue), when...)},
		{name: "nothing known", world: nobody.syns(at("", observe.Unknown), when...)},
		{name: "SYNs reached a silent server", world: silent().syns(arrives, when...)},
		{name: "a RST that was lost on the way back", world: silent().syns(arrives, when...).
			sends(50*ms, "server", reply(topo.RST|topo.ACK, 0), byRule("fw", "no-rst", "")), checks: bad("outcome", "refused", "timed-out")},
		{name: "SYNs into the server's own firewall, seen by its counter", world: silent().syns(arrives, when...).rule("server", "hide", topo.DropPacket, 3)},
		{name: "SYNs with different fates", world: silent().syns(onTheLink("client", "fw", netem.Lost), 0).syns(byRule("fw", "block-web", ""), 1020*ms, 3070*ms)},
		{name: "the step's own timeout", world: own.syns(byRule("fw", "block-web", ""), 0, 1020*ms)},
		{name: "dropped by the client's own firewall", world: silent().rule("client", "no-out", topo.DropPacket, 3)},
		{name: "one SYN and a short timeout", world: func() *world {
			w := newWorld(agents.TimedOut, "", 500*ms)
			w.obs.Deadline = true
			return w.syns(onTheLink("client", "fw", netem.Lost), 0)
		}()},
	}
}

func unreachableCases() []storyCase {
	host := func(after time.Duration) *world { return newWorld(agents.HostUnreachable, "EHOSTUNREACH", after) }
	net := func(after time.Duration) *world { return newWorld(agents.NetworkUnreachable, "ENETUNREACH", after) }
	v6 := newWorld(agents.Denied, "EACCES", 40*ms)
	v6icmp := icmp(fwAddr, 1, 1)
	v6icmp.Proto = protoICMPv6
	return []storyCase{
		{name: "host unreachable by a rule", world: host(40*ms).syns(byRule("fw", "polite", "host-unreachable"), 0).sends(20*ms, "fw", icmp(fwAddr, 3, 1), arrives), checks: bad("outcome", "refused", "host-unreachable")},
		{name: "administratively prohibited", world: host(40*ms).syns(byRule("fw", "policy", "admin-prohibited"), 0).sends(20*ms, "fw", icmp(fwAddr, 3, 13), arrives)},
		{name: "host unreachable by a route", world: host(40*ms).syns(at("fw", observe.ByUnreachable), 0).sends(20*ms, "fw", icmp(fwAddr, 3, 1), arrives)},
		{name: "nobody at that address", world: host(3060*ms).syns(at("fw", observe.ByNoNeighbour), 0, 1020*ms).sends(3040*ms, "fw", icmp(fwAddr, 3, 1), arrives)},
		{name: "nobody on the client's own link", world: host(3050 * ms)},
		{name: "an unreachable route in the client", world: host(90 * time.Microsecond)},
		{name: "network unreachable here", world: net(80 * time.Microsecond), checks: bad("outcome", "connected", "network-unreachable")},
		{name: "network unreachable there", world: net(40*ms).syns(at("fw", observe.ByNoRoute), 0).sends(20*ms, "fw", icmp(fwAddr, 3, 0), arrives)},
		{name: "a prohibit route in the client", world: newWorld(agents.Denied, "EACCES", 80*time.Microsecond)},
		{name: "denied by the client's own firewall", world: newWorld(agents.Denied, "EPERM", 80*time.Microsecond).rule("client", "no-out", topo.DropPacket, 1)},
		{name: "denied by a router, IPv6", world: v6.syns(byRule("fw", "policy", "admin-prohibited"), 0).sends(20*ms, "fw", v6icmp, arrives)},
		{name: "a blackhole route in the client", world: newWorld(agents.Failed, "EINVAL", 80*time.Microsecond)},
	}
}

func exchangeWorld(o agents.Outcome, errno string, elapsed time.Duration) *world {
	return newWorld(o, errno, elapsed).kind(verdict.Exchange, &spec.Step{Exchange: &spec.Exchange{Connection: "app", Send: "still there?"}})
}

func streamCases() []storyCase {
	data := func() *observe.Packet { return tcp(topo.ACK|topo.PSH, 12) }
	nat := network()
	nat.Nodes[1].NAT = &topo.NAT{Outside: "server", Timeouts: map[string]time.Duration{"tcp_established": 5 * time.Second}}
	nat.Nodes[1].Firewall = []topo.Rule{{Name: "unknown-flow", Match: topo.Match{State: "invalid"}, Action: topo.DropPacket}}
	forgot := exchangeWorld(agents.TimedOut, "", 3*time.Second)
	forgot.obs.Deadline = true
	for _, t := range []time.Duration{0, 300 * ms, 700 * ms, 1500 * ms} {
		forgot.sends(t, "client", data(), byRule("fw", "unknown-flow", ""))
	}
	answered := exchangeWorld(agents.Answered, "", 101*ms)
	answered.obs.Answer = "yes\n"
	resent := exchangeWorld(agents.Answered, "", 401*ms)
	resent.obs.Answer = "yes\x1b[31m"
	closed := exchangeWorld(agents.Closed, "", 101*ms)
	mute := exchangeWorld(agents.TimedOut, "", 3*time.Second)
	mute.obs.Deadline = true
	return []storyCase{
		{name: "answered", world: answered.sends(0, "client", data(), arrives).sends(50*ms, "server", reply(topo.ACK|topo.PSH, 12), arrives)},
		{name: "answered after a loss", world: resent.sends(0, "client", data(), onTheLink("fw", "server", netem.Lost)).sends(300*ms, "client", data(), arrives).
			sends(350*ms, "server", reply(topo.ACK|topo.PSH, 12), arrives)},
		{name: "a NAT that forgot", world: forgot, topo: &nat, checks: bad("outcome", "answered", "timed-out")},
		{name: "a NAT that forgot, without the network", world: forgot},
		{name: "data received, never answered", world: mute.sends(0, "client", data(), arrives)},
		{name: "reset by the server", world: exchangeWorld(agents.Reset, "ECONNRESET", 101*ms).sends(0, "client", data(), arrives).
			sends(50200*time.Microsecond, "server", reply(topo.RST, 0), arrives).handshake(-time.Second)},
		{name: "reset by a fault of a link", world: exchangeWorld(agents.Reset, "ECONNRESET", 101*ms).sends(0, "client", data(), byFault("fw", "server", "censor")).makes(51*ms, reply(topo.RST, 0), "censor")},
		{name: "reset by a firewall", world: exchangeWorld(agents.Reset, "ECONNRESET", 41*ms).sends(0, "client", data(), byRule("fw", "cut", "tcp-reset")).
			sends(20*ms, "fw", reply(topo.RST, 0), arrives)},
		{name: "closed before the answer", world: closed.sends(0, "client", data(), arrives).sends(50*ms, "server", reply(topo.FIN|topo.ACK, 0), arrives)},
		{name: "closed with FIN", world: fin().sends(0, "client", tcp(topo.FIN|topo.ACK, 0), arrives).sends(50*ms, "server", reply(topo.FIN|topo.ACK, 0), arrives)},
		{name: "closed, the FIN lost", world: fin().sends(0, "client", tcp(topo.FIN|topo.ACK, 0), byRule("fw", "no-fin", ""))},
		{name: "closed with RST", world: hard()},
		{name: "closed, the RST lost", world: hard().sends(0, "client", tcp(topo.RST, 0), byRule("fw", "no-rst", ""))},
	}
}

func fin() *world {
	return newWorld("", "", 100*time.Microsecond).kind(verdict.Close, &spec.Step{Close: &spec.Close{Connection: "app"}})
}

func hard() *world {
	return newWorld("", "", 100*time.Microsecond).kind(verdict.Close, &spec.Step{Close: &spec.Close{Connection: "app", Reset: true}})
}

func requestWorld(o agents.Outcome, errno string, elapsed time.Duration) *world {
	w := newWorld(o, errno, elapsed).kind(verdict.HTTP, &spec.Step{HTTP: &spec.HTTP{From: "client", URL: "https://server/", TLS: true, Target: spec.Target{Host: "server", Port: 443}}})
	return w.connectTime(100200 * time.Microsecond)
}

func requestCases() []storyCase {
	tlsAt, firstAt := 200500*time.Microsecond, 300900*time.Microsecond
	ok := requestWorld(agents.Connected, "", 301*ms)
	ok.obs.Status, ok.obs.TLSTime, ok.obs.FirstByteTime = 200, &tlsAt, &firstAt
	late := requestWorld(agents.Connected, "", 501*ms)
	late.obs.Status = 200
	for i, f := range []observe.Fate{onTheLink("server", "fw", netem.Cause(observe.Corrupted)), arrives} {
		late.sends(time.Duration(150+200*i)*ms, "server", reply(topo.PSH|topo.ACK, 100), f)
	}
	missing := requestWorld(agents.Connected, "", 301*ms)
	missing.obs.Status = 404
	broken := requestWorld(agents.Closed, "", 301*ms)
	broken.obs.Status, broken.obs.Detail = 200, "unexpected EOF"
	cert := requestWorld(agents.Failed, "", 201*ms)
	cert.obs.Detail = "x509: certificate is valid for other, not server"
	slow := requestWorld(agents.TimedOut, "", 30*time.Second)
	slow.obs.Deadline, slow.obs.TLSTime = true, &tlsAt
	cut := requestWorld(agents.Reset, "ECONNRESET", 301*ms)
	cut.obs.TLSTime = &tlsAt
	refused := requestWorld(agents.Refused, "ECONNREFUSED", 100*ms)
	refused.obs.Attempt = agents.Refused
	return []storyCase{
		{name: "https", world: ok.handshake(0)},
		{name: "an answer that broke off", world: broken},
		{name: "200 after a part of the answer was corrupted", world: late, checks: bad("first_byte_time", "3 rtt = 300ms", "501ms")},
		{name: "404", world: missing, checks: bad("status", "200", "404")},
		{name: "a certificate for another name", world: cert},
		{name: "no answer to the request", world: slow},
		{name: "a request cut off", world: cut.handshake(0).sends(300*ms, "server", reply(topo.RST, 0), arrives)},
		{name: "https to a closed port", world: refused.syns(arrives, 0).sends(50*ms, "server", reply(topo.RST|topo.ACK, 0), arrives)},
	}
}

func commandCases() []storyCase {
	run := func(exit int, stderr string) *world {
		w := newWorld("", "", 12*ms).kind(verdict.Exec, &spec.Step{Exec: &spec.Exec{From: "client"}})
		w.obs.Exit, w.obs.Stderr = exit, stderr
		return w
	}
	killed := run(137, "")
	killed.obs.Deadline = true
	wait := newWorld("", "", 8*time.Second).kind(verdict.Wait, &spec.Step{Wait: &spec.Wait{}})
	set := newWorld("", "", ms).kind(verdict.Set, &spec.Step{Set: &spec.Set{Text: "link client – server: delay 60ms"}})
	unset := newWorld(agents.Failed, "ENOENT", ms).kind(verdict.Set, &spec.Step{Set: &spec.Set{Text: "node server: sysctl a=b"}})
	unset.obs.Detail = "set sysctl a: no such file or directory"
	return []storyCase{
		{name: "exit 0", world: run(0, "")},
		{name: "exit 1", world: run(1, "ping: bad \x1b[31mname\n\n"), checks: bad("exit", "0", "1")},
		{name: "exit 127", world: run(127, "sh: 1: nope: not found\n")},
		{name: "exit 137", world: run(137, "")},
		{name: "killed by the timeout", world: killed},
		{name: "wait", world: wait},
		{name: "set", world: set},
		{name: "set, refused by the kernel", world: unset},
	}
}

func ptr[T any](v T) *T { return &v }

func TestExplain(t *testing.T) {
	var b strings.Builder
	for _, c := range storyCases() {
		v := verdict.Verdict{OK: len(c.checks) == 0, Checks: c.checks}
		var got string
		if c.topo != nil {
			r := &verdict.Result{Scenario: &spec.Scenario{Topology: *c.topo}, Steps: append(c.before, verdict.StepResult{Step: c.world.step, Observation: c.world.obs, Verdict: v})}
			c.world.obs.Step = len(r.Steps)
			got = ExplainStep(r, &r.Steps[len(r.Steps)-1])
		} else {
			got = Explain(c.world.step, c.world.obs, v)
		}
		if strings.ContainsFunc(got, isUnprintable) || strings.Contains(got, "\n") {
			t.Errorf("%s: not one printable line: %q", c.name, got)
		}
		if strings.Contains(got, "  ") || strings.Contains(got, "..") || !strings.HasSuffix(got, ".") {
			t.Errorf("%s: not well-formed: %q", c.name, got)
		}
		fmt.Fprintf(&b, "== %s\n%s\n\n", c.name, strings.Join(wrap(got, 100), "\n"))
	}
	golden(t, "testdata/explain.txt", b.String())
}

// golden compares with a file, and writes it first with -update.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) == got {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(g), len(w)) {
		if i >= len(g) || i >= len(w) || g[i] != w[i] {
			t.Fatalf("%s differs from line %d on\ngot:  %q\nwant: %q", file, i+1, g[min(i, len(g)-1)], w[min(i, len(w)-1)])
		}
	}
}
