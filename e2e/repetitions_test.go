package e2e_test

import (
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// swept has two cells, the second of which has no server on the port that the client
// asks for, and three runs of each.
const swept = `
name: swept
matrix: {port: [80, 81]}
repeat: 3
nodes: {client: {}, server: {listen: [{port: "${port}", serve: http}]}}
links: [{between: [client, server], delay: 10ms}]
steps: [{connect: "server:80", from: client, timeout: 5s, expect: {connect_time: ">= 1 rtt"}}]
`

var _ = Describe("a scenario with a matrix", func() {
	for _, u := range users() {
		It("tells which cell failed, as "+u.name, func() {
			u.requireSandbox()
			dir := u.folder()
			r := u.run("--pcap", dir, "--junit", filepath.Join(dir, "junit.xml"), u.scenario(swept))
			Expect(r.code).To(Equal(1), "%s%s", r.stdout, r.stderr)
			Expect(r.stderr).To(BeEmpty())
			Expect(r.document.Scenarios).To(HaveLen(1))
			cells := r.document.Scenarios[0].Cells
			Expect(cells).To(HaveLen(2))
			Expect(cells[0].OK).To(BeTrue(), r.stdout)
			Expect(cells[0].Series[0].Outcomes).To(HaveLen(1))
			Expect(cells[0].Series[0].Times[0].MinNS).To(BeNumerically(">=", 20e6))
			Expect(cells[1].OK).To(BeFalse())
			Expect(cells[1].Parameters).To(Equal(map[string]string{"port": "81"}))
			Expect(cells[1].Series[0].Failed).To(Equal(3))
			Expect(cells[1].Steps[0].Outcome).To(Equal("refused"))
			Expect(r.stdout).To(ContainSubstring("port=81  FAILED"))
			junit, err := os.ReadFile(filepath.Join(dir, "junit.xml"))
			Expect(err).NotTo(HaveOccurred())
			Expect(string(junit)).To(ContainSubstring(`name="swept [port=81]"`))
			for _, cell := range []string{"80", "81"} {
				Expect(filepath.Join(dir, "swept.port="+cell+".pcapng")).To(BeARegularFile())
			}
		})
	}
})

var _ = DescribeTable("an expectation of many repetitions that is wrong turns the run red",
	func(right, wrong, key string) {
		e := expectation{step: web + ", repeat: 5"}
		e.right, e.wrong, e.key = right, wrong, key
		turnsRed(e)
	},
	Entry("outcomes", "outcomes: {connected: 100%}", "outcomes: {connected: '< 100%'}", "outcomes"),
	Entry("p50", "p50: {connect_time: '>= 1 rtt'}", "p50: {connect_time: '< 1 rtt'}", "p50"),
	Entry("p95", "p95: {elapsed: 1 rtt..20s}", "p95: {elapsed: '>= 20s'}", "p95"),
	Entry("max", "max: {accept_time: '>= 3 owd'}", "max: {accept_time: '< 3 owd'}", "max"),
)

var _ = It("tells parallel steps apart", func() {
	r := self.run(self.scenario(judged + `
  - parallel:
      - {connect: "server:80", from: client, expect: {packets: {syn: 1}}}
      - {connect: "server:81", from: client, expect: {packets: {syn: 1}}}
`))
	Expect(r.code).To(Equal(1), "%s%s", r.stdout, r.stderr)
	Expect(r.steps()[0].Parallel).To(HaveLen(2))
	first, second := r.steps()[0].Parallel[0], r.steps()[0].Parallel[1]
	Expect(unmet(first)).To(BeEmpty(), r.stdout)
	Expect(unmet(second)).To(ConsistOf("outcome"), r.stdout)
	Expect(second.Outcome).To(Equal("refused"))
})
