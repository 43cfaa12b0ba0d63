package e2e_test

import (
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"testbed/scenarios/report"
)

var _ = Describe("faults of a link", func() {
	It("befall single packets beyond a NAT, and reports say which one did what", func() {
		r := self.green(`
name: faults
nodes:
  phone: {}
  nat: {role: router, nat: {outside: fw}}
  fw: {role: router}
  server: {listen: [{port: 80, serve: echo}]}
links:
  - {between: [phone, nat], delay: 5ms}
  - between: [nat, fw]
    delay: 5ms
    toward:
      nat: {faults: [{name: late, match: {flags: SYN-ACK}, do: delay, by: 100ms}]}
      fw: {faults: [{name: censor, match: {proto: tcp, payload: ">= 1"}, do: reset}]}
  - {between: [fw, server], delay: 5ms}
steps:
  - {connect: server:80, from: phone, as: app, expect: {outcome: connected, connect_time: ">= 130ms", seen_from: nat, negotiated: {mss: 1460, wscale: true, ecn: false}}}
  - exchange: app
    send: hello
    expect:
      outcome: reset
      reset_by: [nat, fw]
      dropped: {at: [nat, fw], fault: censor}
      segments:
        - {from: phone, seq: 1, ack: 1, payload: 5}
        - {from: [nat, fw], flags: RST-ACK, seq: 1, ack: 1}
        - {from: [nat, fw], flags: RST, seq: 1}
      states: {client: [SYN-SENT, ESTABLISHED, CLOSED], server: [SYN-RECEIVED, ESTABLISHED, CLOSED]}
`)
		steps := r.steps()
		Expect(steps[0].Negotiated.MSS).To(Equal(1460))
		Expect(steps[0].Journeys[1].Strikes).To(Equal([]report.StrikeDocument{{Link: []string{"fw", "nat"}, Fault: "late", Do: "delay", ByNS: 100_000_000}}))
		Expect(steps[1].ResetBy).To(Equal(&report.ResetDocument{Link: []string{"nat", "fw"}, Fault: "censor", TTL: 63, Hops: 1}))
		Expect(steps[1].Journeys[0].Fate.Fault).To(Equal("censor"))
		Expect(steps[1].Journeys[1].Made.Fault).To(Equal("censor"))
		Expect(steps[1].Journeys[1].Sender).To(BeEmpty())
	})
})

var _ = Describe("a refusal", func() {
	It("is told by the routers that its RST crossed, and by where it first was", func() {
		r := self.run(filepath.Join(library, "refused", "three-refusals.yaml"))
		Expect(r.code).To(BeZero(), r.stdout)
		var by []report.ResetDocument
		var first []string
		for _, s := range r.steps() {
			if s.ResetBy == nil {
				continue
			}
			by = append(by, *s.ResetBy)
			for _, j := range s.Journeys {
				if j.Packet.Flags == "RST-ACK" {
					first = append(first, j.Sightings[0].Node)
				}
			}
		}
		Expect(by).To(Equal([]report.ResetDocument{
			{Node: "server", TTL: 62, Hops: 2}, {Node: "server", TTL: 62, Hops: 2}, {Node: "fw", TTL: 64, Hops: 0},
		}))
		Expect(first).To(Equal([]string{"server", "server", "fw"}))
	})
})
