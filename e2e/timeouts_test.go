package e2e_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// Steps of the tables below. The client of the judged network gives up after 7 s,
// the server's SYN-ACK is answered at once.
const (
	waiting = "await: c, timeout: 300ms"
	shut    = "close: c, until: {client: TIME-WAIT, server: CLOSED}"
)

var _ = DescribeTable("a wrong expectation of how a connection ends turns the run red", turnsRed,
	Entry("outcome of an await that is closed", expectation{before: []string{closing}, step: "await: c", right: "outcome: closed", wrong: "outcome: reset", key: "outcome"}),
	Entry("outcome of an await in vain", expectation{before: []string{echo}, step: waiting, right: "outcome: timed-out, elapsed: '>= 300ms'", wrong: "outcome: closed", key: "outcome"}),
	Entry("error of an await in vain", expectation{before: []string{echo}, step: waiting, right: "outcome: timed-out", wrong: "outcome: timed-out, error: ETIMEDOUT", key: "error"}),
	Entry("packets of an await", expectation{before: []string{echo}, step: waiting, right: "outcome: timed-out, packets: {rst: 0}", wrong: "outcome: timed-out, packets: {rst: 1}", key: "packets"}),
	Entry("states of a close", expectation{before: []string{echo}, step: shut, right: "states: {client: [FIN-WAIT-1, FIN-WAIT-2, TIME-WAIT]}",
		wrong: "states: {client: [FIN-WAIT-1, FIN-WAIT-2, TIME-WAIT, CLOSED]}", key: "states"}),
	Entry("fin_wait_2", expectation{before: []string{echo}, step: shut, right: "fin_wait_2: '< 30s'", wrong: "fin_wait_2: fin_timeout", key: "fin_wait_2"}),
	Entry("time_wait that has not ended", expectation{before: []string{echo}, step: shut, right: "elapsed: '>= 1 rtt'", wrong: "time_wait: '> 0s'", key: "time_wait"}),
	Entry("syn_ack_times", expectation{step: web, right: "syn_ack_times: [0s]", wrong: "syn_ack_times: [0s, 1s]", key: "syn_ack_times"}),
	Entry("the kernel's schedule of SYN-ACKs", expectation{step: web, right: "syn_ack_times: [0s]", wrong: "syn_ack_times: schedule", key: "syn_ack_times"}),
	Entry("the kernel's schedule of SYNs", expectation{step: twice, right: "outcome: timed-out", wrong: "outcome: timed-out, syn_times: schedule", key: "syn_times"}),
	Entry("the kernel's timeout of an attempt", expectation{step: closed, right: "outcome: refused, elapsed: '<= syn_timeout'", wrong: "outcome: refused, elapsed: syn_timeout", key: "elapsed"}),
)

var _ = DescribeTable("a step on a connection without an expectation must succeed",
	func(step string) {
		e := expectation{before: []string{echo}, step: step}
		r := self.run(self.scenario(e.scenario("tolerance: 1s")))
		Expect(r.code).To(Equal(1), "%s%s", r.stdout, r.stderr)
		Expect(unmet(r.steps()[1])).To(ConsistOf("outcome"))
	},
	Entry("an await in vain", waiting),
	Entry("a close whose end does not come", "close: c, until: {client: CLOSED}, timeout: 300ms"),
)

var _ = Describe("keep-alive", func() {
	It("probes a connection by the node's own settings, and finds out that nobody is there", func() {
		r := self.green(`
name: keepalive
nodes:
  client: {sysctls: {net.ipv4.tcp_keepalive_time: 1, net.ipv4.tcp_keepalive_intvl: 1, net.ipv4.tcp_keepalive_probes: 2}}
  router: {role: router}
  server: {listen: [{port: 7, serve: echo}]}
links:
  - {between: [client, router], delay: 5ms}
  - {between: [router, server], delay: 5ms}
steps:
  - {connect: "server:7", from: client, as: app, keepalive: true, sport: 40000}
  - set: {link: [router, server], toward: {router: {up: false}, server: {up: false}}}
  - {await: app, expect: {outcome: timed-out, error: ETIMEDOUT, elapsed: keepalive_timeout, tolerance: 2s, packets: {ack: 2, rst: 1}}}
`)
		step := r.steps()[2]
		Expect(step.Local).To(HaveSuffix(":40000"))
		Expect(step.Explanation).To(ContainSubstring("keepalive probes"))
		Expect(step.Checks).To(ContainElement(HaveField("From", ContainSubstring("client's tcp_keepalive_time 1, tcp_keepalive_intvl 1, tcp_keepalive_probes 2, HZ "))))
	})
})
