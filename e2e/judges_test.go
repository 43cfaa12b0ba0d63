package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"testbed/scenarios/report"
	"testbed/topo/sandbox"
)

// requirePrograms skips a spec where a program is missing that is to judge; it fails
// there if features are required.
func requirePrograms(names ...string) {
	GinkgoHelper()
	for _, name := range names {
		_, err := exec.LookPath(name)
		sandbox.SkipOrFail(GinkgoT(), err)
	}
}

// agree holds a program's time on the virtual clock against the agents'. The most of
// what programs compute is a TLS handshake.
func agree(what string, program, agent time.Duration) {
	GinkgoHelper()
	Expect(program).To(BeNumerically("~", agent, 10*time.Millisecond), what)
}

// virtually runs a scenario that must pass on the virtual clock. It skips where that
// cannot be had, or fails if features are required.
func virtually(text string) []report.StepDocument {
	GinkgoHelper()
	self.requireSandbox()
	file := filepath.Join(self.folder(), "report.json")
	r := self.testbed("run", "--clock=virtual", "--kernel=6.12", "--json", file, self.scenario(text))
	if r.code == sandbox.ExitUnavailable {
		sandbox.SkipOrFail(GinkgoT(), errors.New("the virtual clock can't be used: "+r.stderr))
	}
	Expect(r.code).To(BeZero(), "%s%s", r.stdout, r.stderr)
	b, err := os.ReadFile(file)
	Expect(err).NotTo(HaveOccurred())
	Expect(json.Unmarshal(b, &r.document)).To(Succeed())
	return r.steps()
}

// seconds is a time as programs print it.
func seconds(text string) time.Duration {
	GinkgoHelper()
	d, err := time.ParseDuration(strings.TrimSpace(text) + "s")
	Expect(err).NotTo(HaveOccurred())
	return d
}

// observed is a time of the report, which must be there.
func observed(ns *int64) time.Duration {
	GinkgoHelper()
	Expect(ns).NotTo(BeNil())
	return time.Duration(*ns)
}

// judgedNetwork is client – fw – server and fw – dns, 10 ms on each link, with
// servers of all kinds on the server and a rule of each kind at fw.
const judgedNetwork = `name: judged
nodes:
  client:
    nameservers: {ask: [dns], timeout: 1s, attempts: 1}
    sysctls: {net.ipv4.tcp_syn_retries: 1, net.ipv4.tcp_syn_linear_timeouts?: 0}
  deaf:
    nameservers: {ask: [server], timeout: 1s, attempts: 1}
  fw:
    role: router
    firewall:
      - {name: silent, match: {proto: tcp, dport: 1001}, action: drop}
      - {name: reset, match: {proto: tcp, dport: 1002}, action: reject, with: tcp-reset}
      - {name: port, match: {proto: tcp, dport: 1003}, action: reject, with: port-unreachable}
      - {name: host, match: {proto: tcp, dport: 1004}, action: reject, with: host-unreachable}
      - {name: net, match: {proto: tcp, dport: 1005}, action: reject, with: net-unreachable}
      - {name: admin, match: {proto: tcp, dport: 1006}, action: reject, with: admin-prohibited}
      - {name: no-ipv6, match: {proto: tcp, dport: 80, to: "2001:db8::/32"}, action: drop}
  dns:
    resolver: {records: {www.example: [server], gone.example: nxdomain}}
  server:
    listen:
      - {port: 80, serve: http}
      - {port: 443, serve: https}
      - {port: 444, serve: https, tls: "1.2"}
      - {port: 445, serve: https, tls: "1.3"}
      - {port: 81, serve: reset}
      - {port: 82, serve: close}
      - {port: 83, serve: silent}
links:
  - {between: [client, fw], delay: 10ms}
  - {between: [deaf, fw], delay: 10ms}
  - {between: [fw, dns], delay: 10ms}
  - {between: [fw, server], delay: 10ms}
steps:
`

// beside runs an agent's step, and then a program that does the same; the scenario
// must pass. It returns what was seen of both.
func (u *user) beside(agent, line string, exit int) (ours, theirs report.StepDocument) {
	GinkgoHelper()
	r := u.green(judgedNetwork + "  - " + agent + "\n" + fmt.Sprintf("  - {exec: %q, from: client, expect: {exit: %d}}\n", line, exit))
	steps := r.steps()
	return steps[0], steps[1]
}

// eachJudge describes what a program says, for each user that can be tried.
func eachJudge(programs []string, specs func(u *user)) {
	for _, u := range users() {
		Context("as "+u.name, func() {
			BeforeEach(func() {
				requirePrograms(programs...)
				u.requireSandbox()
			})
			specs(u)
		})
	}
}
