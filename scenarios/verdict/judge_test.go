package verdict

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"testbed/agents"
	"testbed/netem"
	"testbed/observe"
	"testbed/scenarios/spec"
	"testbed/topo"
)

const ms = time.Millisecond

// connected is an observation of a plain connection over 100 ms each way.
func connected() *Observation {
	return &Observation{
		Kind: Connect, From: "client", Target: "server", Outcome: agents.Connected,
		Elapsed: 200 * ms, ConnectTime: ptr(200*ms + 400*time.Microsecond), AcceptTime: ptr(300 * ms),
		AcceptSource: observe.FromTracepoint, Local: client, Remote: server,
		Path: Path{Nodes: []string{"client", "server"}, There: []time.Duration{100 * ms}, Back: []time.Duration{100 * ms}},
		Journeys: []observe.Journey{
			sent(0, client, server, topo.SYN, 100, 0),
			sent(100*ms, server, client, topo.SYN|topo.ACK, 500, 0),
			sent(200*ms, client, server, topo.ACK, 101, 0),
		},
		ClientStates: changes(observe.SynSent, observe.Established),
		ServerStates: changes(observe.SynReceived, observe.Established),
		StateSource:  observe.FromPackets,
		SeenFrom:     "client", SeenAddr: client,
	}
}

// dropped is an observation of three SYNs that a firewall discarded.
func dropped() *Observation {
	lost := observe.Fate{Drop: observe.Drop{Node: "fw", Cause: observe.ByRule, Rule: "block-web"}}
	o := &Observation{
		Kind: Connect, From: "client", Outcome: agents.TimedOut, Errno: "ETIMEDOUT", Elapsed: 7130 * ms,
		Local: client, Remote: server, ClientStates: changes(observe.SynSent, observe.Closed),
		Rules: []observe.RuleCount{
			{Node: "fw", Rule: "allow-ssh", Action: topo.Accept, Packets: 9},
			{Node: "fw", Rule: "block-web", Action: topo.DropPacket, Packets: 3},
		},
	}
	for i, at := range []time.Duration{0, 1020 * ms, 3068 * ms} {
		j := sent(at, client, server, topo.SYN, 100, 0)
		j.Fate, j.Retransmission = lost, i > 0
		o.Journeys = append(o.Journeys, j)
	}
	return o
}

func about(text string, value float64, unit spec.Unit) *spec.Duration {
	return &spec.Duration{Text: text, Term: spec.Term{Value: value, Unit: unit, Text: text}}
}

func bound(b spec.Bound, text string, value float64, unit spec.Unit) *spec.Duration {
	return &spec.Duration{Bound: b, Text: text, Term: spec.Term{Value: value, Unit: unit}}
}

func terms(ds ...time.Duration) []spec.Term {
	var t []spec.Term
	for _, d := range ds {
		t = append(t, spec.Term{Value: float64(d), Text: d.String()})
	}
	return t
}

// TestJudge holds each kind of expectation against an observation that meets
// it, or violates it. The check that is looked at is the last one.
func TestJudge(t *testing.T) {
	exec := func() *Observation {
		return &Observation{Kind: Exec, Stdout: "alpha\nbeta\n", Stderr: "a warning\n", Exit: 3, Elapsed: 5 * ms}
	}
	http := func() *Observation {
		o := connected()
		o.Kind, o.Status, o.TLSTime, o.FirstByteTime = HTTP, 200, ptr(400*ms), ptr(600*ms)
		return o
	}
	for _, c := range []struct {
		name   string
		obs    func() *Observation
		change func(*Observation)
		expect *spec.Expect
		want   Check
	}{
		{
			name: "outcome", obs: connected, expect: &spec.Expect{Outcome: agents.Connected},
			want: Check{Key: "outcome", Expected: "connected", Observed: "connected", OK: true},
		}, {
			name: "outcome violated", obs: dropped, expect: &spec.Expect{Outcome: agents.Refused},
			want: Check{
				Key: "outcome", Expected: "refused", Observed: "timed-out",
				Note: "expected refused, observed timed-out: the kernel gave up with ETIMEDOUT",
			},
		}, {
			name: "outcome timed out by the step", obs: dropped, expect: &spec.Expect{Outcome: agents.TimedOut},
			change: func(o *Observation) { o.Deadline, o.Errno = true, "" },
			want: Check{
				Key: "outcome", Expected: "timed-out", Observed: "timed-out", OK: true,
				Note: "the step's own timeout passed first",
			},
		}, {
			name: "error in any case", obs: dropped, expect: &spec.Expect{Error: "etimedout"},
			want: Check{Key: "error", Expected: "etimedout", Observed: "ETIMEDOUT", OK: true},
		}, {
			name: "error violated", obs: connected, expect: &spec.Expect{Error: "ECONNREFUSED"},
			want: Check{
				Key: "error", Expected: "ECONNREFUSED", Observed: "none",
				Note: "expected ECONNREFUSED, observed none",
			},
		}, {
			name: "connect_time", obs: connected, expect: &spec.Expect{ConnectTime: about("2 owd", 2, spec.OWD)},
			want: Check{Key: "connect_time", Expected: "2 owd = 200ms", Observed: "200.4ms", Tolerance: "±9ms", OK: true},
		}, {
			name: "connect_time late", obs: connected, expect: &spec.Expect{ConnectTime: about("1 rtt", 1, spec.RTT)},
			change: func(o *Observation) { o.ConnectTime = ptr(231 * ms) },
			want: Check{
				Key: "connect_time", Expected: "1 rtt = 200ms", Observed: "231ms", Tolerance: "±9ms",
				Note: "expected 1 rtt = 200ms ±9ms, observed 231ms: late by 31ms",
			},
		}, {
			name: "connect_time not observed", obs: dropped, expect: &spec.Expect{Outcome: agents.TimedOut, ConnectTime: about("1s", 1e9, "")},
			want: Check{
				Key: "connect_time", Expected: "1s", Observed: "none", Tolerance: "±25ms",
				Note: "the client's connection was not established: the outcome was timed-out, the kernel gave up with ETIMEDOUT",
			},
		}, {
			name: "connect_time in the unit of an unknown path", obs: dropped, expect: &spec.Expect{ConnectTime: about("1 rtt", 1, spec.RTT)},
			want: Check{
				Key: "connect_time", Expected: "1 rtt", Observed: "none",
				Note: "rtt has no value: no path from client to the step's target is known",
			},
		}, {
			name: "accept_time", obs: connected, expect: &spec.Expect{AcceptTime: about("3 owd", 3, spec.OWD)},
			want: Check{
				Key: "accept_time", Expected: "3 owd = 300ms", Observed: "300ms", Tolerance: "±11ms", OK: true,
				Note: "from the kernel's tracepoint",
			},
		}, {
			name: "accept_time not observed", obs: connected, expect: &spec.Expect{AcceptTime: about("3 owd", 3, spec.OWD)},
			change: func(o *Observation) { o.AcceptTime = nil },
			want: Check{
				Key: "accept_time", Expected: "3 owd = 300ms", Observed: "none", Tolerance: "±11ms",
				Note: "the server's socket was not seen to become ESTABLISHED",
			},
		}, {
			name: "elapsed with a tolerance", obs: dropped, expect: &spec.Expect{
				Outcome: agents.TimedOut, Elapsed: about("7s", 7e9, ""), Tolerance: ptr(300 * ms),
			},
			want: Check{Key: "elapsed", Expected: "7s", Observed: "7.13s", Tolerance: "±300ms", OK: true},
		}, {
			name: "elapsed early", obs: dropped, expect: &spec.Expect{Elapsed: about("10s", 1e10, "")},
			want: Check{
				Key: "elapsed", Expected: "10s", Observed: "7.13s", Tolerance: "±205ms",
				Note: "expected 10s ±205ms, observed 7.13s: early by 2.87s",
			},
		}, {
			name: "elapsed below", obs: connected, expect: &spec.Expect{Elapsed: bound(spec.Below, "< 200ms", 2e8, "")},
			want: Check{
				Key: "elapsed", Expected: "< 200ms", Observed: "200ms",
				Note: "expected < 200ms, observed 200ms: exactly the bound, which is not included",
			},
		}, {
			name: "elapsed at most", obs: connected, expect: &spec.Expect{Elapsed: bound(spec.AtMost, "<= 1 rtt", 1, spec.RTT)},
			want: Check{Key: "elapsed", Expected: "<= 1 rtt = 200ms", Observed: "200ms", OK: true},
		}, {
			name: "elapsed at least, without tolerance", obs: connected,
			expect: &spec.Expect{Elapsed: bound(spec.AtLeast, ">= 201ms", 201e6, ""), Tolerance: ptr(time.Second)},
			want: Check{
				Key: "elapsed", Expected: ">= 201ms", Observed: "200ms",
				Note: "expected >= 201ms, observed 200ms: early by 1ms",
			},
		}, {
			name: "elapsed above", obs: connected, expect: &spec.Expect{Elapsed: bound(spec.Above, "", 199e6, "")},
			want: Check{Key: "elapsed", Expected: "> 199ms", Observed: "200ms", OK: true},
		}, {
			name: "elapsed within", obs: connected, expect: &spec.Expect{Elapsed: &spec.Duration{
				Bound: spec.Within, Text: "1 owd..2 owd", Term: spec.Term{Value: 1, Unit: spec.OWD}, Upper: spec.Term{Value: 2, Unit: spec.OWD},
			}},
			want: Check{Key: "elapsed", Expected: "1 owd..2 owd = 100ms..200ms", Observed: "200ms", OK: true},
		}, {
			name: "elapsed beyond", obs: dropped, expect: &spec.Expect{Elapsed: &spec.Duration{
				Bound: spec.Within, Text: "1s..2s", Term: spec.Term{Value: 1e9}, Upper: spec.Term{Value: 2e9},
			}},
			want: Check{
				Key: "elapsed", Expected: "1s..2s", Observed: "7.13s",
				Note: "expected 1s..2s, observed 7.13s: late by 5.13s",
			},
		}, {
			name: "tls_time", obs: http, expect: &spec.Expect{TLSTime: about("2 rtt", 2, spec.RTT)},
			want: Check{Key: "tls_time", Expected: "2 rtt = 400ms", Observed: "400ms", Tolerance: "±13ms", OK: true},
		}, {
			name: "tls_time not observed", obs: http, expect: &spec.Expect{TLSTime: about("2 rtt", 2, spec.RTT)},
			change: func(o *Observation) { o.TLSTime, o.Outcome, o.Detail = nil, agents.Failed, "tls: alert 48" },
			want: Check{
				Key: "tls_time", Expected: "2 rtt = 400ms", Observed: "none", Tolerance: "±13ms",
				Note: "the end of the TLS handshake was not reached: the outcome was failed, tls: alert 48",
			},
		}, {
			name: "first_byte_time", obs: http, expect: &spec.Expect{FirstByteTime: about("3 rtt", 3, spec.RTT)},
			want: Check{Key: "first_byte_time", Expected: "3 rtt = 600ms", Observed: "600ms", Tolerance: "±17ms", OK: true},
		}, {
			name: "first_byte_time late", obs: http, expect: &spec.Expect{FirstByteTime: about("2 rtt", 2, spec.RTT)},
			want: Check{
				Key: "first_byte_time", Expected: "2 rtt = 400ms", Observed: "600ms", Tolerance: "±13ms",
				Note: "expected 2 rtt = 400ms ±13ms, observed 600ms: late by 200ms",
			},
		}, {
			name: "packets", obs: dropped, expect: &spec.Expect{Packets: map[string]spec.Count{
				"syn_ack": {Text: "0"}, "syn": {Value: 3, Text: "3"},
			}},
			want: Check{Key: "packets", Expected: "syn 3, syn_ack 0", Observed: "syn 3, syn_ack 0", OK: true},
		}, {
			name: "packets violated", obs: dropped, expect: &spec.Expect{Packets: map[string]spec.Count{
				"rst": {Bound: spec.AtLeast, Value: 1}, "syn": {Value: 2}, "fin": {},
			}},
			change: func(o *Observation) { o.Unseen = 4 },
			want: Check{
				Key: "packets", Expected: "syn 2, rst >= 1, fin 0", Observed: "syn 3, rst 0, fin 0",
				Note: "expected 2 syn, observed 3; >= 1 rst, observed 0 (the capture missed 4 frames)",
			},
		}, {
			name: "syn_times", obs: dropped, expect: &spec.Expect{SynTimes: terms(0, time.Second, 3*time.Second), Tolerance: ptr(300 * ms)},
			want: Check{Key: "syn_times", Expected: "0s, 1s, 3s", Observed: "0s, 1.02s, 3.068s", Tolerance: "±300ms", OK: true},
		}, {
			name: "syn_times rounded up by the kernel", obs: dropped, expect: &spec.Expect{SynTimes: terms(0, time.Second, 3*time.Second)},
			want: Check{
				Key: "syn_times", Expected: "0s, 1s, 3s", Observed: "0s, 1.02s, 3.068s", Tolerance: "±(2% + 5ms)",
				Note: "expected SYN 3 at 3s ±65ms, observed 3.068s: late by 68ms (the kernel rounds timers up by at most an eighth: give a tolerance)",
			},
		}, {
			name: "syn_times of another number", obs: dropped, expect: &spec.Expect{SynTimes: terms(0)},
			want: Check{
				Key: "syn_times", Expected: "0s", Observed: "0s, 1.02s, 3.068s", Tolerance: "±(2% + 5ms)",
				Note: "expected 1 SYN, observed 3",
			},
		}, {
			name: "states", obs: connected, expect: &spec.Expect{States: &spec.States{
				Client: []observe.State{observe.SynSent, observe.Established},
				Server: []observe.State{observe.SynReceived, observe.Established},
			}},
			change: func(o *Observation) {
				o.ClientStates = changes(observe.SynSent, observe.SynSent, observe.Established)
			},
			want: Check{
				Key: "states", OK: true, Note: "derived from the packets",
				Expected: "client SYN-SENT → ESTABLISHED; server SYN-RECEIVED → ESTABLISHED",
				Observed: "client SYN-SENT → ESTABLISHED; server SYN-RECEIVED → ESTABLISHED",
			},
		}, {
			name: "states violated", obs: dropped, expect: &spec.Expect{States: &spec.States{
				Client: []observe.State{observe.SynSent, observe.Established}, Server: []observe.State{observe.SynReceived},
			}},
			want: Check{
				Key:      "states",
				Expected: "client SYN-SENT → ESTABLISHED; server SYN-RECEIVED",
				Observed: "client SYN-SENT → CLOSED; server none",
				Note:     "client: expected ESTABLISHED as state 2, observed CLOSED; server: expected SYN-RECEIVED as state 1, observed none",
			},
		}, {
			name: "seen_from", obs: connected, expect: &spec.Expect{SeenFrom: "client"},
			want: Check{Key: "seen_from", Expected: "client", Observed: "client", OK: true, Note: "as 10.0.0.1:40000"},
		}, {
			name: "seen_from another", obs: connected, expect: &spec.Expect{SeenFrom: "nat"},
			want: Check{
				Key: "seen_from", Expected: "nat", Observed: "client",
				Note: "expected nat, observed client as 10.0.0.1:40000",
			},
		}, {
			name: "seen_from nobody", obs: dropped, expect: &spec.Expect{Error: "ETIMEDOUT", SeenFrom: "nat"},
			want: Check{
				Key: "seen_from", Expected: "nat", Observed: "none",
				Note: "the server accepted no connection: the outcome was timed-out, the kernel gave up with ETIMEDOUT",
			},
		}, {
			name: "dropped by a rule", obs: dropped, expect: &spec.Expect{Dropped: &spec.Dropped{Node: "fw", Rule: "block-web"}},
			want: Check{
				Key: "dropped", Expected: "at fw by rule block-web", Observed: "at fw by rule block-web: 3 packets",
				OK: true, Note: "by the rule's counter",
			},
		}, {
			name: "dropped by a rule, known from the packets", obs: dropped, expect: &spec.Expect{Dropped: &spec.Dropped{Rule: "block-web"}},
			change: func(o *Observation) { o.Rules = nil },
			want: Check{
				Key: "dropped", Expected: "by rule block-web", Observed: "at fw by rule block-web: 3 packets",
				OK: true, Note: "derived from the packets",
			},
		}, {
			name: "dropped by one of several rules, of which it is not known which",
			obs:  dropped, expect: &spec.Expect{Dropped: &spec.Dropped{Rule: "half"}},
			change: func(o *Observation) {
				for i := range o.Journeys {
					o.Journeys[i].Fate.Drop.Or = "half\nrest"
				}
			},
			want: Check{
				Key: "dropped", Expected: "by rule half", Observed: "at fw by rule block-web or half or rest: 3 packets",
				OK: true, Note: "by the rule's counter",
			},
		}, {
			name: "dropped elsewhere", obs: dropped, expect: &spec.Expect{Dropped: &spec.Dropped{Node: "server"}},
			want: Check{
				Key: "dropped", Expected: "at server", Observed: "at fw by rule block-web: 3 packets",
				Note: "nothing was dropped at server, but at fw by rule block-web: 3 packets",
			},
		}, {
			name: "dropped by a rule that counted another connection's packets",
			obs:  dropped, expect: &spec.Expect{Dropped: &spec.Dropped{Rule: "drop-fin"}},
			change: func(o *Observation) {
				o.Rules = append(o.Rules, observe.RuleCount{Node: "fw", Rule: "drop-fin", Hook: topo.Forward, Action: topo.DropPacket, Packets: 4})
			},
			want: Check{
				Key: "dropped", Expected: "by rule drop-fin", Observed: "at fw by rule block-web: 3 packets",
				Note: "nothing was dropped by rule drop-fin, but at fw by rule block-web: 3 packets",
			},
		}, {
			name: "dropped by the client's own output rule, before it could be seen",
			obs:  dropped, expect: &spec.Expect{Dropped: &spec.Dropped{Rule: "no-out"}},
			change: func(o *Observation) {
				o.Journeys = nil
				o.Rules = []observe.RuleCount{{Node: "client", Rule: "no-out", Hook: topo.Output, Action: topo.DropPacket, Packets: 2}}
			},
			want: Check{
				Key: "dropped", Expected: "by rule no-out", Observed: "at client by rule no-out: 2 packets",
				OK: true, Note: "by the rule's counter",
			},
		}, {
			name: "dropped by a rule that accepts", obs: dropped, expect: &spec.Expect{Dropped: &spec.Dropped{Rule: "allow-ssh"}},
			want: Check{
				Key: "dropped", Expected: "by rule allow-ssh", Observed: "at fw by rule block-web: 3 packets",
				Note: "nothing was dropped by rule allow-ssh, but at fw by rule block-web: 3 packets",
			},
		}, {
			name: "dropped on a link, in either direction", obs: connected,
			expect: &spec.Expect{Dropped: &spec.Dropped{Link: &[2]string{"server", "client"}, Cause: observe.Cause(netem.Lost)}},
			change: func(o *Observation) {
				o.Journeys[0].Fate = observe.Fate{Drop: observe.Drop{Link: [2]string{"client", "server"}, Cause: observe.Cause(netem.Lost)}}
			},
			want: Check{
				Key: "dropped", Expected: "on server – client by loss", Observed: "on client – server by loss: 1 packet",
				OK: true, Note: "derived from the packets",
			},
		}, {
			name: "dropped in a burst, which is a loss", obs: connected,
			expect: &spec.Expect{Dropped: &spec.Dropped{Cause: observe.Cause(netem.Lost)}},
			change: func(o *Observation) {
				o.Journeys[0].Fate = observe.Fate{Drop: observe.Drop{Link: [2]string{"client", "server"}, Cause: observe.Burst}}
			},
			want: Check{Key: "dropped", Expected: "by loss", Observed: "on client – server by burst: 1 packet", OK: true, Note: "derived from the packets"},
		}, {
			name: "dropped by a loss, which is no burst", obs: connected, expect: &spec.Expect{Dropped: &spec.Dropped{Cause: observe.Burst}},
			change: func(o *Observation) {
				o.Journeys[0].Fate = observe.Fate{Drop: observe.Drop{Link: [2]string{"client", "server"}, Cause: observe.Cause(netem.Lost)}}
			},
			want: Check{
				Key: "dropped", Expected: "by burst", Observed: "on client – server by loss: 1 packet",
				Note: "nothing was dropped by burst, but on client – server by loss: 1 packet",
			},
		}, {
			name: "dropped by another cause", obs: dropped, expect: &spec.Expect{Dropped: &spec.Dropped{Node: "fw", Cause: observe.ByBlackhole}},
			want: Check{
				Key: "dropped", Expected: "at fw by blackhole", Observed: "at fw by rule block-web: 3 packets",
				Note: "nothing was dropped at fw by blackhole, but at fw by rule block-web: 3 packets",
			},
		}, {
			name: "dropped, but nothing was", obs: connected, expect: &spec.Expect{Dropped: &spec.Dropped{}},
			want: Check{Key: "dropped", Expected: "anywhere", Observed: "nothing", Note: "nothing was dropped"},
		}, {
			name: "status", obs: http, expect: &spec.Expect{Status: &spec.Count{Value: 200, Text: "200"}},
			want: Check{Key: "status", Expected: "200", Observed: "200", OK: true},
		}, {
			name: "status violated", obs: http, expect: &spec.Expect{Status: &spec.Count{Bound: spec.Within, Value: 300, Upper: 399}},
			want: Check{Key: "status", Expected: "300..399", Observed: "200", Note: "expected status 300..399, observed 200"},
		}, {
			name: "status without an answer", obs: http, expect: &spec.Expect{Status: &spec.Count{Bound: spec.Below, Value: 500}},
			change: func(o *Observation) { o.Status, o.Outcome, o.Errno = 0, agents.Reset, "ECONNRESET" },
			want: Check{
				Key: "status", Expected: "< 500", Observed: "no answer",
				Note: "the request got no answer: the outcome was reset, the error was ECONNRESET",
			},
		}, {
			name: "exit", obs: exec, expect: &spec.Expect{Exit: &spec.Count{Bound: spec.Above}},
			want: Check{Key: "exit", Expected: "> 0", Observed: "3", OK: true},
		}, {
			name: "exit violated", obs: exec, expect: &spec.Expect{Exit: &spec.Count{Value: 1, Text: "1"}},
			want: Check{Key: "exit", Expected: "1", Observed: "3", Note: "expected exit 1, observed 3"},
		}, {
			name: "stdout", obs: exec, expect: &spec.Expect{Stdout: &spec.Text{Equal: " alpha\nbeta"}},
			want: Check{Key: "stdout", Expected: `"alpha\nbeta"`, Observed: `"alpha\nbeta"`, OK: true},
		}, {
			name: "stdout violated", obs: exec, expect: &spec.Expect{Stdout: &spec.Text{Equal: "alpha\nbet"}},
			want: Check{
				Key: "stdout", Expected: `"alpha\nbet"`, Observed: `"alpha\nbeta"`,
				Note: `differs at line 2, column 4: expected its end, observed "a"`,
			},
		}, {
			name: "stdout, long", obs: exec, expect: &spec.Expect{Stdout: &spec.Text{Equal: "ü"}},
			change: func(o *Observation) { o.Stdout = strings.Repeat("ü", 300) },
			want: Check{
				Key: "stdout", Expected: `"ü"`, Observed: `"` + strings.Repeat("ü", 200) + `"… (300 characters)`,
				Note: `differs at line 1, column 2: expected its end, observed "` + strings.Repeat("ü", 30) + `"…`,
			},
		}, {
			name: "stderr", obs: exec, expect: &spec.Expect{Stderr: &spec.Text{Match: regexp.MustCompile(`^a w.*g$`)}},
			want: Check{Key: "stderr", Expected: `/^a w.*g$/`, Observed: `"a warning"`, OK: true},
		}, {
			name: "stderr violated", obs: exec, expect: &spec.Expect{Stderr: &spec.Text{Match: regexp.MustCompile(`error`)}},
			want: Check{
				Key: "stderr", Expected: `/error/`, Observed: `"a warning"`,
				Note: `expected stderr to match /error/, observed "a warning"`,
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := c.obs()
			if c.change != nil {
				c.change(o)
			}
			v := Judge(&spec.Step{Expect: c.expect}, o)
			if len(v.Checks) == 0 {
				t.Fatal("no checks")
			}
			if got := v.Checks[len(v.Checks)-1]; got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
			all := !slices.ContainsFunc(v.Checks, func(c Check) bool { return !c.OK })
			if v.OK != all {
				t.Errorf("the verdict is %v with the checks %+v", v.OK, v.Checks)
			}
		})
	}
}
