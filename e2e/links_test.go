package e2e_test

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"testbed/scenarios/report"
)

var _ = Describe("a link", func() {
	It("is as slow as it is set, from then on", func() {
		self.green(`
name: slower
nodes: {client: {}, server: {listen: [{port: 80, serve: echo}]}}
links: [{between: [client, server], delay: 5ms}]
steps:
  - {connect: server:80, from: client, as: before, expect: {connect_time: ">= 10ms"}}
  - set: {link: [client, server], delay: 60ms}
  - {connect: server:80, from: client, expect: {connect_time: ">= 120ms"}}
  - {connect: server:80, from: client, expect: {connect_time: ">= 1 rtt"}}
  - {exchange: before, send: hello, expect: {elapsed: ">= 120ms"}}
  - set: {link: [server, client], toward: {client: {delay: 10ms}}}
  - {connect: server:80, from: client, expect: {connect_time: 70ms..119ms}}
`)
	})

	It("that is down at both ends has no route, until it is up", func() {
		self.green(`
name: down
nodes: {client: {}, server: {listen: [{port: 80, serve: echo}]}}
links: [{between: [client, server], delay: 1ms}]
steps:
  - {connect: server:80, from: client}
  - set: {link: [client, server], up: false}
  - {connect: server:80, from: client, expect: {outcome: network-unreachable, error: ENETUNREACH, packets: {syn: 0}}}
  - {exec: cat /sys/class/net/eth0/flags, from: client, expect: {stdout: "0x1002"}}
  - set: {link: [client, server], up: true}
  - {connect: server:80, from: client, timeout: 20s, expect: {outcome: connected}}
  - {connect: server:80, from: client, family: ipv6, timeout: 20s, expect: {outcome: connected}}
`)
	})

	It("that begins down can come up", func() {
		self.green(`
name: comes-up
nodes: {client: {}, server: {listen: [{port: 80, serve: echo}]}}
links: [{between: [client, server], up: false}]
steps:
  - {connect: server:80, from: client, expect: {outcome: network-unreachable}}
  - set: {link: [client, server], up: true}
  - {connect: server:80, from: client, timeout: 20s}
`)
	})

	It("can be down in one direction", func() {
		self.green(`
name: one-way
nodes: {client: {}, server: {listen: [{port: 80, serve: echo}]}}
links: [{between: [client, server]}]
steps:
  - set: {link: [client, server], toward: {client: {up: false}}}
  - connect: server:80
    from: client
    timeout: 200ms
    expect: {outcome: timed-out, packets: {syn: 1, syn_ack: ">= 1"}, dropped: {at: [server, client], cause: link-down}}
  - set: {link: [client, server], toward: {client: {up: true}}}
  - {connect: server:80, from: client, timeout: 20s}
`)
	})

	It("that loses everything says so, until it does not", func() {
		self.green(`
name: lossy
nodes: {client: {}, fw: {role: router}, server: {listen: [{port: 80, serve: echo}]}}
links:
  - {between: [client, fw]}
  - {between: [fw, server], loss: 100%}
steps:
  - connect: server:80
    from: client
    timeout: 200ms
    expect: {outcome: timed-out, packets: {syn: 1, syn_ack: 0}, dropped: {at: [fw, server], cause: loss}}
  - set: {link: [fw, server], loss: 0%}
  - {connect: server:80, from: client, timeout: 20s, expect: {handshake: [SYN, SYN-ACK, ACK]}}
  - set: {link: [client, fw], toward: {client: {loss: 100%}}}
  - connect: server:80
    from: client
    timeout: 200ms
    expect: {outcome: timed-out, packets: {syn_ack: ">= 1"}, dropped: {at: client-fw, cause: loss}}
`)
	})

	It("with jitter takes no less than delay minus jitter, each way", func() {
		text := strings.Builder{}
		text.WriteString(`
name: jitter
nodes: {client: {}, server: {listen: [{port: 80, serve: echo}]}}
links: [{between: [client, server], delay: 20ms, jitter: 10ms}]
steps:
`)
		for range 8 {
			text.WriteString("  - {connect: server:80, from: client, expect: {connect_time: \">= 20ms\", accept_time: \">= 30ms\"}}\n")
		}
		r := self.green(text.String())
		times := map[int64]bool{}
		for _, s := range r.steps() {
			times[*s.ConnectTimeNS/1e6] = true
		}
		Expect(len(times)).To(BeNumerically(">", 1), "all connects took the same time")
	})

	It("that duplicates delivers twice what left once", func() {
		r := self.green(`
name: duplicate
nodes: {client: {}, server: {listen: [{port: 80, serve: echo}]}}
links: [{between: [client, server], delay: 2ms, toward: {server: {duplicate: 100%}}}]
steps:
  - {connect: server:80, from: client, as: c, expect: {handshake: [SYN, SYN-ACK, ACK], packets: {syn: 1}}}
  - {exchange: c, send: hello, expect: {outcome: answered}}
`)
		Expect(r.steps()[1].Answer).To(Equal("hello"))
		syn := r.steps()[0].Journeys[0]
		Expect(syn.Packet.Flags).To(Equal("SYN"))
		arrivals := 0
		for _, s := range syn.Sightings {
			if s.Node == "server" {
				arrivals++
			}
		}
		Expect(arrivals).To(Equal(2))
	})

	It("draws the same losses from the same seed", func() {
		first, second, other := fates(1), fates(1), fates(2)
		Expect(second).To(Equal(first))
		Expect(other).NotTo(Equal(first))
		Expect(first).To(ContainElement("refused"))
		Expect(first).To(ContainElement("timed-out"))
	})

	It("with a small MTU carries what is large in small packets", func() {
		r := self.green(fmt.Sprintf(`
name: small-mtu
nodes: {client: {}, r: {role: router}, server: {listen: [{port: 80, serve: echo}]}}
links:
  - {between: [client, r], mtu: 1500}
  - {between: [r, server], mtu: 600}
steps:
  - {connect: server:80, from: client, as: c}
  - {exchange: c, send: %q, expect: {outcome: answered}}
  - {exec: cat /sys/class/net/eth0/mtu, from: server, expect: {stdout: "600"}}
`, strings.Repeat("0123456789abcdef", 4096)))
		Expect(r.steps()[1].Answer).To(HavePrefix("0123456789abcdef"))
	})

	It("with a small MTU in one direction is a black hole for what is large", func() {
		self.green(fmt.Sprintf(`
name: black-hole
nodes: {client: {}, server: {listen: [{port: 80, serve: echo}]}}
links: [{between: [client, server], toward: {server: {mtu: 600}}}]
steps:
  - {connect: server:80, from: client, as: c}
  - {exchange: c, send: small, expect: {outcome: answered}}
  - {exchange: c, send: %q, timeout: 500ms, expect: {outcome: timed-out, dropped: {at: [client, server], cause: mtu}}}
`, strings.Repeat("large", 800)))
	})
})

// fates are the outcomes of connects to a closed port over a link that loses half
// of what goes there. Each sends exactly one frame that way.
func fates(seed int) (outcomes []string) {
	GinkgoHelper()
	var b strings.Builder
	fmt.Fprintf(&b, `
name: seeded
seed: %d
nodes: {client: {}, server: {}}
links: [{between: [client, server], toward: {server: {loss: 50%%}}}]
steps:
`, seed)
	for range 16 {
		b.WriteString("  - {connect: server:81, from: client, timeout: 50ms, expect: {packets: {syn: 1}}}\n")
	}
	r := self.run(self.scenario(b.String()))
	for _, s := range r.steps() {
		outcomes = append(outcomes, s.Outcome)
	}
	return outcomes
}

// answered are the answers of the exchanges of a scenario.
func answered(steps []report.StepDocument) (answers []string) {
	for _, s := range steps {
		if s.Kind == "exchange" {
			answers = append(answers, s.Answer)
		}
	}
	return answers
}
