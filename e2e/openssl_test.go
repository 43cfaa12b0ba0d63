package e2e_test

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// tlsNetwork is client – server with an RTT of 400 ms, so that round trips can be
// counted in what a program takes.
const tlsNetwork = `name: tls
nodes:
  client: {}
  server:
    listen: [{port: 444, serve: tls, tls: "1.2"}, {port: 445, serve: tls, tls: "1.3"}]
links: [{between: [client, server], delay: 200ms}]
steps:
`

const tlsRTT = 400 * time.Millisecond

// sClient is a step that shakes hands and ends.
func sClient(port int, options string) string {
	return fmt.Sprintf("{exec: \"openssl s_client -connect server:%d %s </dev/null\", from: client}", port, options)
}

var _ = Describe("openssl", func() {
	eachJudge([]string{"openssl"}, func(u *user) {
		It("cannot agree on a version that the server does not speak", func() {
			r := u.green(tlsNetwork + "  - {exec: \"openssl s_client -connect server:444 -tls1_3 </dev/null\", from: client, expect: {exit: 1}}\n")
			Expect(r.steps()[0].Command.Stderr).To(ContainSubstring("alert protocol version"))
		})

		It("serves the agents, who do not trust what they do not know", func() {
			dir := u.folder()
			key := fmt.Sprintf("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout %s/key -out %s/cert -subj /CN=server -addext subjectAltName=DNS:server -days 2", dir, dir)
			serve := fmt.Sprintf("exec openssl s_server -accept 4433 -key %s/key -cert %s/cert -www -quiet", dir, dir)
			r := u.run(u.scenario(tlsNetwork +
				fmt.Sprintf("  - {exec: %q, from: server}\n  - {exec: %q, from: server, background: true, ready: 4433}\n", key, serve) +
				"  - {http: \"https://server:4433/\", from: client}\n" +
				"  - {exec: \"openssl s_client -connect server:4433 </dev/null\", from: client}\n"))
			steps := r.steps()
			Expect(steps).To(HaveLen(4), "%s%s", r.stdout, r.stderr)
			Expect(unmet(steps[0])).To(BeEmpty(), r.stdout)
			Expect(unmet(steps[1])).To(BeEmpty(), r.stdout)
			Expect(steps[2].Outcome).To(Equal("failed"))
			Expect(steps[2].Detail).To(ContainSubstring("unknown authority"))
			// The certificate is there after 1 RTT for TCP and 1 for TLS 1.3.
			Expect(time.Duration(steps[2].ElapsedNS)).To(BeNumerically(">=", 2*tlsRTT))
			Expect(steps[3].Command.Stderr).To(ContainSubstring("self-signed certificate"))
			Expect(strings.Contains(steps[3].Command.Stdout, "TLSv1.3, Cipher is")).To(BeTrue())
		})
	})

	It("counts the round trips of TLS 1.2 and 1.3 with s_client, on the virtual clock", func() {
		requirePrograms("openssl")
		steps := virtually(tlsNetwork + "  - " + sClient(444, "-tls1_2") + "\n  - " + sClient(445, "-tls1_3") + "\n")
		for i, version := range []string{"TLSv1.2", "TLSv1.3"} {
			Expect(steps[i].Command.Stdout).To(ContainSubstring(version + ", Cipher is"))
			Expect(steps[i].Command.Stdout).To(ContainSubstring("CN = server"))
			// TCP has one, TLS two and one, and s_client waits for the server's FIN.
			elapsed := time.Duration(steps[i].ElapsedNS)
			Expect(int(elapsed/tlsRTT)).To(Equal(4-i), "%s took %v", version, elapsed)
		}
	})
})
