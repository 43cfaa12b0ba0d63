package e2e_test

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"testbed/agents"
	"testbed/scenarios/report"
)

// curl is the program without its progress meter, telling its times.
const curl = "curl -sS -k --http1.1 -o /dev/null -w '%{time_namelookup} %{time_connect} %{time_appconnect} %{time_starttransfer} %{time_total} %{remote_ip}' "

// curlFailures are what curl makes of what the agents see.
var curlFailures = []struct {
	what, url, agent, options string
	outcome                   string
	exit                      int
}{
	{"a closed port", "http://server:1000/", "", "", "refused", 7},
	{"silence", "http://server:1001/", "", "", "timed-out", 28},
	{"a firewall's RST", "http://server:1002/", "", "", "refused", 7},
	{"a port that is unreachable", "http://server:1003/", "", "", "refused", 7},
	{"a host that is unreachable", "http://server:1004/", "", "", "host-unreachable", 7},
	{"a network that is unreachable", "http://server:1005/", "", "", "network-unreachable", 7},
	{"a prohibited host", "http://server:1006/", "", "", "host-unreachable", 7},
	{"a RST in place of an answer", "http://server:81/", "", "", "reset", 56},
	{"a FIN in place of an answer", "http://server:82/", "", "", "closed", 52},
	{"a RST in the TLS handshake", "https://server:81/", "", "", "reset", 35},
	{"a FIN in the TLS handshake", "https://server:82/", "", "", "closed", 35},
	{"a server that never answers", "http://server:83/", "timeout: 1s, ", "-m 1 ", "timed-out", 28},
	{"a name that does not exist", "http://gone.example/", "", "", "no-such-name", 6},
}

// curlURLs are answered, over HTTP, HTTPS, TLS 1.2 and TLS 1.3.
var curlURLs = []string{"http://www.example/", "https://www.example/", "https://www.example:444/", "https://www.example:445/"}

var _ = Describe("curl", func() {
	eachJudge([]string{"curl"}, func(u *user) {
		It("fails as the agents do, with the exit code that the report names", func() {
			together := "  - parallel:\n" + strings.ReplaceAll(failing(), "  - ", "      - ")
			r := u.green(judgedNetwork + together)
			steps := r.steps()[0].Parallel
			for i, c := range curlFailures {
				ours := steps[2*i]
				if !ours.Deadline {
					Expect(ours.Explanation).To(ContainSubstring("curl exits with %d", c.exit), c.what)
				}
			}
		})

		It("trusts the certificates that the agents trust, for the names and addresses of the server alone", func() {
			r := u.green(judgedNetwork + "  - {connect: \"server:443\", from: client}\n")
			address := strings.TrimSuffix(r.steps()[0].Remote, ":443")
			for url, exit := range map[string]int{"https://server/": 0, "https://www.example/": 0, "https://" + address + "/": 0, "https://other.example/": 60} {
				line := fmt.Sprintf("curl -sS -4 -o /dev/null --resolve other.example:443:%s %s", address, url)
				u.beside("{http: https://www.example/, from: client, expect: {status: 200}}", line, exit)
			}
		})

		It("is saved by Happy Eyeballs as the agents are", func() {
			agent := "{http: http://www.example/, from: client, family: happy-eyeballs, expect: {status: 200}}"
			ours, theirs := u.beside(agent, curl+"--happy-eyeballs-timeout-ms 250 http://www.example/", 0)
			Expect(ours.Attempts).To(HaveLen(2))
			Expect(lastField(theirs) + ":80").To(Equal(ours.Remote))
		})

		It("asks a resolver that is none as the agents do", func() {
			r := u.green(judgedNetwork + "  - {http: http://www.example/, from: deaf, expect: {outcome: resolution-failed}}\n" +
				"  - {exec: \"curl -sS -4 http://www.example/\", from: deaf, expect: {exit: 6}}\n")
			Expect(r.steps()[0].Explanation).To(ContainSubstring("curl exits with 6"))
		})
	})

	// On the virtual clock, where it does not matter what else the machine does.
	Context("on the virtual clock", Ordered, func() {
		var steps []report.StepDocument
		BeforeAll(func() {
			requirePrograms("curl")
			text := judgedNetwork + failing()
			for _, url := range curlURLs {
				text += fmt.Sprintf("  - {http: %q, from: client, expect: {status: 200}}\n  - {exec: %q, from: client}\n", url, curl+"-4 "+url)
			}
			steps = virtually(text + "  - {http: http://www.example/, from: client, family: happy-eyeballs}\n" +
				fmt.Sprintf("  - {exec: %q, from: client}\n", curl+"--happy-eyeballs-timeout-ms 250 http://www.example/"))
		})

		for i, c := range curlFailures {
			It("takes as long as the agents do for "+c.what, func() {
				ours, theirs := steps[2*i], curlTime(steps[2*i+1], 4)
				if ours.Outcome == string(agents.NoSuchName) {
					// Until its resolver fails, curl looks for it at intervals that double, and may tell of
					// the look before the last one (lib/asyn-thread.c in curl 7.88).
					Expect(theirs).To(And(BeNumerically(">", time.Duration(ours.ElapsedNS)/4), BeNumerically("<", 4*time.Duration(ours.ElapsedNS))))
					return
				}
				if ours.Errno == "ETIMEDOUT" { // the kernel's timer wheel rounds 1 s by up to 8 ms, and 2 s by up to 32 ms
					Expect(theirs).To(BeNumerically("~", time.Duration(ours.ElapsedNS), 50*time.Millisecond))
					return
				}
				agree("the whole time", theirs, time.Duration(ours.ElapsedNS))
			})
		}

		for i, url := range curlURLs {
			It("measures what the agents measure of "+url, func() {
				ours, theirs := steps[2*(len(curlFailures)+i)], steps[2*(len(curlFailures)+i)+1]
				agree("the time to resolve", curlTime(theirs, 0), observed(ours.ResolveTimeNS))
				agree("the time to connect", curlTime(theirs, 1), observed(ours.ConnectTimeNS))
				if ours.TLSTimeNS != nil {
					agree("the time to TLS", curlTime(theirs, 2), observed(ours.TLSTimeNS))
				}
				agree("the time to the first byte", curlTime(theirs, 3), observed(ours.FirstByteTimeNS))
			})
		}

		It("begins with IPv4 when the agents do", func() {
			ours, theirs := steps[len(steps)-2], steps[len(steps)-1]
			agree("the time to connect", curlTime(theirs, 1), observed(ours.ConnectTimeNS))
		})
	})
})

// failing are the steps of curlFailures, each by an agent and then by curl.
func failing() string {
	var b strings.Builder
	for _, c := range curlFailures {
		fmt.Fprintf(&b, "  - {http: %q, from: client, %sexpect: {outcome: %s}}\n", c.url, c.agent, c.outcome)
		fmt.Fprintf(&b, "  - {exec: %q, from: client, expect: {exit: %d}}\n", curl+"-4 "+c.options+c.url, c.exit)
	}
	return b.String()
}

// curlTime is one of the times that curl has printed.
func curlTime(s report.StepDocument, i int) time.Duration {
	GinkgoHelper()
	fields := strings.Fields(s.Command.Stdout)
	Expect(len(fields)).To(BeNumerically(">", i), s.Command.Stdout)
	return seconds(fields[i])
}

func lastField(s report.StepDocument) string {
	fields := strings.Fields(s.Command.Stdout)
	return fields[len(fields)-1]
}
