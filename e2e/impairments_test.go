package e2e_test

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"testbed/scenarios/report"
)

var _ = Describe("an impaired link", func() {
	It("that flips bits is where every packet dies, wherever that is noticed", func() {
		text := strings.Builder{}
		text.WriteString(`
name: corrupted
nodes: {client: {}, r: {role: router}, nat: {role: router, nat: {outside: server}}, server: {listen: [{port: 80, serve: echo}]}}
links:
  - {between: [client, r], toward: {r: {corrupt: 100%}}}
  - {between: [r, nat]}
  - {between: [nat, server]}
steps:
`)
		for range 12 { // so that the header and the segment are hit
			text.WriteString("  - {connect: server:80, from: client, timeout: 50ms, expect: {outcome: timed-out, packets: {syn_ack: 0}, dropped: {at: client-r, cause: corrupted}}}\n")
		}
		text.WriteString("  - set: {link: [client, r], corrupt: 0%}\n  - {connect: server:80, from: client, timeout: 20s, expect: {seen_from: nat}}\n")
		r := self.green(text.String())
		noticed := map[string]bool{}
		for _, s := range r.steps() {
			for _, j := range s.Journeys {
				last := j.Sightings[len(j.Sightings)-1]
				if j.Fate.Cause == "corrupted" {
					Expect(j.Fate.Link).To(Equal([]string{"client", "r"}))
					Expect(last.Corrupted).To(BeTrue())
					noticed[last.Node] = true
				}
			}
		}
		Expect(noticed).To(HaveKey("r"), "no IPv4 header was hit")
		Expect(len(noticed)).To(BeNumerically(">", 1), "no segment was hit")
	})

	It("that loses in bursts lets the first packet through, and then none", func() {
		self.green(`
name: burst
nodes: {client: {}, server: {listen: [{port: 80, serve: echo}]}}
links: [{between: [client, server], toward: {server: {loss: {bursts: {to_bad: 100%, to_good: 0%}}}}}]
steps:
  - connect: server:80
    from: client
    expect: {outcome: connected, packets: {syn: 1}, states: {server: [SYN-RECEIVED]}, dropped: {at: client-server, cause: burst}}
  - connect: server:80
    from: client
    timeout: 200ms
    expect: {outcome: timed-out, packets: {syn_ack: 0}, dropped: {cause: loss}}
`)
	})

	It("with a rate and a short queue drops what finds it full", func() {
		self.green(fmt.Sprintf(`
name: full
nodes: {client: {}, r: {role: router}, server: {listen: [{port: 80, serve: echo}]}}
links:
  - {between: [client, r]}
  - {between: [r, server], toward: {server: {rate: 1mbit, queue: 2packets}}}
steps:
  - {connect: server:80, from: client, as: c}
  - {exchange: c, send: %q, expect: {outcome: answered, dropped: {at: [r, server], cause: queue-full}}}
`, strings.Repeat("0123456789abcdef", 1024)))
	})

	It("with a rate takes as long as that takes", func() {
		// 20 KiB at 1.6 Mbit/s, there and back.
		self.green(fmt.Sprintf(`
name: paced
nodes: {client: {}, server: {listen: [{port: 80, serve: echo}]}}
links: [{between: [client, server], rate: 1600kbit}]
steps:
  - {connect: server:80, from: client, as: c}
  - {exchange: c, send: %q, expect: {outcome: answered, elapsed: ">= 110ms"}}
  - set: {link: [client, server], rate: unlimited}
  - {exchange: c, send: fast, expect: {outcome: answered}}
`, strings.Repeat("0123456789abcdef", 1280)))
	})

	It("that reorders loses nothing", func() {
		r := self.green(fmt.Sprintf(`
name: reordered
nodes: {client: {}, server: {listen: [{port: 80, serve: echo}]}}
links: [{between: [client, server], toward: {server: {delay: 100ms, reorder: 30%%}}}]
steps:
  - {connect: server:80, from: client, as: c}
  - {exchange: c, send: %q, expect: {outcome: answered}}
`, strings.Repeat("0123456789abcdef", 1024)))
		Expect(overtaken(r.steps()[1].Journeys)).To(BeNumerically(">", 0))
	})
})

// overtaken counts the packets that arrive at the server after one that left
// later.
func overtaken(js []report.JourneyDocument) (n int) {
	var first int64
	for i := len(js) - 1; i >= 0; i-- {
		last := js[i].Sightings[len(js[i].Sightings)-1]
		if js[i].Fate.End != "delivered" || last.Node != "server" {
			continue
		}
		if first != 0 && last.AtNS > first {
			n++
		}
		if first == 0 || last.AtNS < first {
			first = last.AtNS
		}
	}
	return n
}
