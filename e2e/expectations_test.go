package e2e_test

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// expectation is one kind of expectation, once as it is and once wrong, for the
// same step.
type expectation struct {
	// before are steps, each in one line, that come first.
	before []string
	// step is the step in one line, without its expectation.
	step         string
	right, wrong string
	// key is the check that must fail; it is the only one.
	key string
}

// judged is the network that all expectations are tried on. The path from client
// to server takes 20 ms one way, of which 10 ms are the firewall's.
const judged = `
name: judged
nodes:
  client: {nameservers: [dns], sysctls: {net.ipv4.tcp_syn_retries: 2, net.ipv4.tcp_syn_linear_timeouts?: 0}}
  dns: {resolver: {records: {www.example: server, gone.example: nxdomain}}}
  fw:
    role: router
    firewall:
      - {name: hide-db, match: {proto: tcp, dport: 5432}, action: drop}
      - {name: no-mail, match: {proto: tcp, dport: 25}, action: reject, with: admin-prohibited}
  server:
    listen:
      - {port: 80, serve: http}
      - {port: 443, serve: https}
      - {port: 7, serve: echo}
      - {port: 9, serve: silent}
      - {port: 13, serve: close}
      - {port: 14, serve: reset}
  lost: {listen: [{port: 80, serve: http}]}
links:
  - {between: [client, fw], delay: 10ms}
  - {between: [fw, server], delay: 10ms}
  - {between: [fw, dns]}
  - {between: [fw, lost], toward: {lost: {loss: 100%}}}
steps:
`

func (e expectation) scenario(expect string) string {
	var b strings.Builder
	b.WriteString(judged)
	for _, s := range e.before {
		fmt.Fprintf(&b, "  - {%s}\n", s)
	}
	fmt.Fprintf(&b, "  - {%s, expect: {%s}}\n", e.step, expect)
	return b.String()
}

// Steps of the table below.
const (
	web     = "connect: server:80, from: client"
	closed  = "connect: server:81, from: client"
	hidden  = "connect: server:5432, from: client, timeout: 200ms"
	twice   = "connect: server:5432, from: client, timeout: 1500ms"
	refused = "connect: server:25, from: client"
	lossy   = "connect: lost:80, from: client, timeout: 200ms"
	named   = "connect: www.example:80, from: client"
	page    = "http: https://server/, from: client"
	echo    = "connect: server:7, from: client, as: c"
	silent  = "connect: server:9, from: client, as: c"
	closing = "connect: server:13, from: client, as: c"
	ending  = "connect: server:14, from: client, as: c"
	talk    = "exchange: c, send: hello, timeout: 300ms"
	command = `exec: "echo out; echo err >&2; exit 3", from: client`
)

// turnsRed runs a step with a right expectation, and beside it with a wrong one.
func turnsRed(e expectation) {
	GinkgoHelper()
	r := self.run(self.scenario(e.scenario(e.right)), self.scenario(e.scenario(e.wrong)))
	Expect(r.code).To(Equal(1), "%s%s", r.stdout, r.stderr)
	Expect(r.document.OK).To(BeFalse())
	Expect(r.document.Scenarios).To(HaveLen(2))
	right, wrong := r.document.Scenarios[0], r.document.Scenarios[1]
	Expect(right.OK).To(BeTrue(), r.stdout)
	Expect(unmet(right.Steps[len(e.before)])).To(BeEmpty())

	Expect(wrong.OK).To(BeFalse())
	step := wrong.Steps[len(e.before)]
	Expect(step.OK).To(BeFalse())
	Expect(unmet(step)).To(ConsistOf(e.key), "%s", r.stdout)
	Expect(r.stdout).To(ContainSubstring("✗ " + e.key + ": expected "))
}

// Times have lower bounds only, or are wrong by so much that no busy machine
// makes them right.
var _ = DescribeTable("an expectation that is wrong turns the run red", turnsRed,
	Entry("outcome", expectation{step: web, right: "outcome: connected", wrong: "outcome: refused", key: "outcome"}),
	Entry("outcome of a refusal", expectation{step: closed, right: "outcome: refused", wrong: "outcome: timed-out", key: "outcome"}),
	Entry("outcome of an unreachable host", expectation{step: refused, right: "outcome: host-unreachable", wrong: "outcome: network-unreachable", key: "outcome"}),
	Entry("no expectation at all means that it connects", expectation{step: web, right: "connect_time: '>= 1 rtt'", wrong: "outcome: reset", key: "outcome"}),
	Entry("error", expectation{step: closed, right: "outcome: refused, error: ECONNREFUSED", wrong: "outcome: refused, error: ETIMEDOUT", key: "error"}),
	Entry("connect_time that was longer", expectation{step: web, right: "connect_time: '>= 1 rtt'", wrong: "connect_time: 1 owd", key: "connect_time"}),
	Entry("connect_time that was shorter", expectation{step: web, right: "connect_time: '> 1.9 owd'", wrong: "connect_time: 1000 rtt", key: "connect_time"}),
	Entry("connect_time below its lower bound", expectation{step: web, right: "connect_time: '>= 2 owd'", wrong: "connect_time: '>= 30s'", key: "connect_time"}),
	Entry("connect_time over its upper bound", expectation{step: web, right: "connect_time: '<= 30s'", wrong: "connect_time: '<= 39ms'", key: "connect_time"}),
	Entry("connect_time below a strict bound", expectation{step: web, right: "connect_time: '< 30s'", wrong: "connect_time: '< 1 rtt'", key: "connect_time"}),
	Entry("connect_time under its range", expectation{step: web, right: "connect_time: 1 rtt..30s", wrong: "connect_time: 20s..30s", key: "connect_time"}),
	Entry("connect_time over its range", expectation{step: web, right: "connect_time: 2 owd..30s", wrong: "connect_time: 1ms..39ms", key: "connect_time"}),
	Entry("connect_time out of a tolerance", expectation{step: web, right: "connect_time: 20s, tolerance: 19980ms", wrong: "connect_time: 20s, tolerance: 1s", key: "connect_time"}),
	Entry("accept_time that was longer", expectation{step: web, right: "accept_time: '>= 3 owd'", wrong: "accept_time: 1 owd", key: "accept_time"}),
	Entry("accept_time that was shorter", expectation{step: web, right: "accept_time: 3 owd..30s", wrong: "accept_time: 30s", key: "accept_time"}),
	Entry("accept_time that never came", expectation{step: hidden, right: "outcome: timed-out", wrong: "outcome: timed-out, accept_time: '> 0s'", key: "accept_time"}),
	Entry("elapsed", expectation{step: closed, right: "outcome: refused, elapsed: '>= 1 rtt'", wrong: "outcome: refused, elapsed: 30s", key: "elapsed"}),
	Entry("elapsed of a command", expectation{step: `exec: [sleep, "0.1"], from: client`, right: "elapsed: '>= 100ms'", wrong: "elapsed: '<= 99ms'", key: "elapsed"}),
	Entry("elapsed of an exchange", expectation{before: []string{echo}, step: talk, right: "elapsed: '>= 1 rtt'", wrong: "elapsed: '< 1 rtt'", key: "elapsed"}),
	Entry("connect_time of a page", expectation{step: page, right: "connect_time: '>= 1 rtt'", wrong: "connect_time: '< 1 rtt'", key: "connect_time"}),
	Entry("tls_time", expectation{step: page, right: "tls_time: '>= 2 rtt'", wrong: "tls_time: 1 owd", key: "tls_time"}),
	Entry("first_byte_time", expectation{step: page, right: "first_byte_time: '>= 3 rtt'", wrong: "first_byte_time: '< 3 rtt'", key: "first_byte_time"}),
	Entry("handshake", expectation{step: web, right: "handshake: [SYN, SYN-ACK, ACK]", wrong: "handshake: [SYN, SYN-ACK, RST]", key: "handshake"}),
	Entry("handshake that is shorter", expectation{step: closed, right: "outcome: refused, handshake: [SYN, RST]", wrong: "outcome: refused, handshake: [SYN, SYN-ACK, ACK]", key: "handshake"}),
	Entry("packets: syn", expectation{step: web, right: "packets: {syn: 1}", wrong: "packets: {syn: 2}", key: "packets"}),
	Entry("packets: syn_ack", expectation{step: web, right: "packets: {syn_ack: 1}", wrong: "packets: {syn_ack: 0}", key: "packets"}),
	Entry("packets: ack", expectation{step: web, right: "packets: {ack: '>= 1'}", wrong: "packets: {ack: 0}", key: "packets"}),
	Entry("packets: rst", expectation{step: closed, right: "outcome: refused, packets: {rst: 1}", wrong: "outcome: refused, packets: {rst: '> 1'}", key: "packets"}),
	Entry("packets: fin", expectation{before: []string{echo}, step: "close: c", right: "packets: {fin: 1..2}", wrong: "packets: {fin: 0}", key: "packets"}),
	Entry("syn_times", expectation{step: twice, right: "outcome: timed-out, syn_times: [0s, 1s], tolerance: 400ms", wrong: "outcome: timed-out, syn_times: [0s, 3s], tolerance: 400ms", key: "syn_times"}),
	Entry("syn_times that are fewer", expectation{step: hidden, right: "outcome: timed-out, syn_times: [0s]", wrong: "outcome: timed-out, syn_times: [0s, 1s]", key: "syn_times"}),
	Entry("states of the client", expectation{step: web, right: "states: {client: [SYN-SENT, ESTABLISHED]}", wrong: "states: {client: [SYN-SENT, CLOSED]}", key: "states"}),
	Entry("states of the server", expectation{step: web, right: "states: {server: [SYN-RECEIVED, ESTABLISHED]}", wrong: "states: {server: [SYN-RECEIVED]}", key: "states"}),
	Entry("states of a refused client", expectation{step: closed, right: "outcome: refused, states: {client: [SYN-SENT, CLOSED]}", wrong: "outcome: refused, states: {client: [SYN-SENT, ESTABLISHED]}", key: "states"}),
	Entry("seen_from", expectation{step: web, right: "seen_from: client", wrong: "seen_from: fw", key: "seen_from"}),
	Entry("dropped: rule", expectation{step: hidden, right: "outcome: timed-out, dropped: {at: fw, rule: hide-db}", wrong: "outcome: timed-out, dropped: {at: fw, rule: no-mail}", key: "dropped"}),
	Entry("dropped: at a node", expectation{step: hidden, right: "outcome: timed-out, dropped: {at: fw}", wrong: "outcome: timed-out, dropped: {at: server}", key: "dropped"}),
	Entry("dropped: at a link", expectation{step: lossy, right: "outcome: timed-out, dropped: {at: [fw, lost]}", wrong: "outcome: timed-out, dropped: {at: [client, fw]}", key: "dropped"}),
	Entry("dropped: cause", expectation{step: lossy, right: "outcome: timed-out, dropped: {at: lost-fw, cause: loss}", wrong: "outcome: timed-out, dropped: {cause: mtu}", key: "dropped"}),
	Entry("dropped, though nothing was", expectation{step: web, right: "outcome: connected", wrong: "dropped: {at: fw}", key: "dropped"}),
	Entry("outcome of a name", expectation{step: "connect: gone.example:80, from: client", right: "outcome: no-such-name", wrong: "outcome: resolution-failed", key: "outcome"}),
	Entry("resolve_time", expectation{step: named, right: "resolve_time: '>= 20ms'", wrong: "resolve_time: '> 30s'", key: "resolve_time"}),
	Entry("queries", expectation{step: named, right: "queries: {A: 1, AAAA: 0}", wrong: "queries: {A: 1, AAAA: 1}", key: "queries"}),
	Entry("connected_to a node", expectation{step: named, right: "connected_to: server", wrong: "connected_to: fw", key: "connected_to"}),
	Entry("connected_to an address", expectation{step: named, right: "connected_to: server", wrong: "connected_to: 192.0.2.1", key: "connected_to"}),
	Entry("attempts", expectation{step: named, right: "attempts: [{to: server, family: ipv4, outcome: connected}]", wrong: "attempts: [{to: server, family: ipv6}]", key: "attempts"}),
	Entry("attempts that are more", expectation{step: named, right: "attempts: [{}]", wrong: "attempts: [{}, {}]", key: "attempts"}),
	Entry("attempts: at", expectation{step: named, right: "attempts: [{at: 20s}], tolerance: 19980ms", wrong: "attempts: [{at: 30s}], tolerance: 1s", key: "attempt 1 at"}),
	Entry("attempts: elapsed", expectation{step: named, right: "attempts: [{elapsed: '>= 1 rtt'}]", wrong: "attempts: [{elapsed: '> 30s'}]", key: "attempt 1 elapsed"}),
	Entry("status", expectation{step: page, right: "status: 200", wrong: "status: 404", key: "status"}),
	Entry("status in a range", expectation{step: page, right: "status: 200..299", wrong: "status: '>= 300'", key: "status"}),
	Entry("exit", expectation{step: command, right: "exit: 3", wrong: "exit: 0", key: "exit"}),
	Entry("stdout", expectation{step: command, right: "exit: 3, stdout: out", wrong: "exit: 3, stdout: ou", key: "stdout"}),
	Entry("stdout by a regular expression", expectation{step: command, right: "exit: 3, stdout: /^o.t$/", wrong: "exit: 3, stdout: /^in/", key: "stdout"}),
	Entry("stderr", expectation{step: command, right: "exit: 3, stderr: err", wrong: `exit: 3, stderr: ""`, key: "stderr"}),
	Entry("outcome of an exchange that is answered", expectation{before: []string{echo}, step: talk, right: "outcome: answered", wrong: "outcome: timed-out", key: "outcome"}),
	Entry("outcome of an exchange that is not answered", expectation{before: []string{silent}, step: talk, right: "outcome: timed-out", wrong: "outcome: answered", key: "outcome"}),
	Entry("outcome of an exchange that is closed", expectation{before: []string{closing}, step: talk, right: "outcome: closed", wrong: "outcome: reset", key: "outcome"}),
	Entry("outcome and error of an exchange that is reset", expectation{before: []string{ending}, step: talk, right: "outcome: reset, error: ECONNRESET", wrong: "outcome: reset, error: EPIPE", key: "error"}),
	Entry("seen_from of an exchange", expectation{before: []string{echo}, step: talk, right: "seen_from: client", wrong: "seen_from: server", key: "seen_from"}),
)

var _ = DescribeTable("a step without an expectation must succeed",
	func(step string) {
		e := expectation{step: step}
		text := strings.Replace(e.scenario(""), ", expect: {}", "", 1)
		r := self.run(self.scenario(text))
		Expect(r.code).To(Equal(1), "%s%s", r.stdout, r.stderr)
		Expect(r.steps()[0].OK).To(BeFalse())
		Expect(unmet(r.steps()[0])).NotTo(BeEmpty())
	},
	Entry("a refused connect", closed),
	Entry("a connect that times out", hidden),
	Entry("a command that fails", command),
	Entry("a command that is not there", "exec: [no-such-program], from: client"),
	Entry("a request to a closed port", "http: http://server:81/, from: client"),
)
