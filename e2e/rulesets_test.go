package e2e_test

import (
	"errors"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"testbed/topo"
	"testbed/topo/ruleset"
	"testbed/topo/sandbox"
)

// needsRulesetTools skips where nft or iptables is not installed, or fails if the
// environment requires them.
func needsRulesetTools() {
	for _, tool := range topo.Tools {
		_, err := ruleset.Find(tool)
		var missing *sandbox.Unavailable
		if errors.As(err, &missing) {
			sandbox.SkipOrFail(GinkgoT(), missing)
		}
	}
}

var _ = Describe("a ruleset in another language", func() {
	BeforeEach(needsRulesetTools)

	It("is loaded by its tool, for IPv6 too", func() {
		self.green(`
name: foreign
nodes:
  client: {}
  fw:
    role: router
    ip6tables: |
      *filter
      :FORWARD ACCEPT [0:0]
      -A FORWARD -p tcp -m tcp --dport 80 -j REJECT --reject-with tcp-reset
      COMMIT
  server: {listen: [{port: 80, serve: http}]}
links: [{between: [client, fw], delay: 2ms}, {between: [fw, server], delay: 2ms}]
steps:
  - {connect: "server:80", from: client}
  - {connect: "server:80", from: client, family: ipv6, expect: {outcome: refused, dropped: {at: fw, cause: ruleset}}}
  - set: {node: fw, ip6tables: ""}
  - {connect: "server:80", from: client, family: ipv6}
`)
	})

	It("that its tool refuses is a mistake of the file, with its place", func() {
		file := filepath.Join(GinkgoT().TempDir(), "bad.yaml")
		Expect(os.WriteFile(file, []byte(`name: bad
nodes:
  client: {}
  fw:
    role: router
    nftables: |
      table inet filter {
        chain forward {
          type filter hook forward priority filter;
          tcp dprt 80 drop
        }
      }
  server: {listen: [{port: 80, serve: http}]}
links: [{between: [client, fw]}, {between: [fw, server]}]
steps:
  - {connect: "server:80", from: client}
`), 0o644)).To(Succeed())
		r := self.run(file)
		Expect(r.code).To(Equal(2), "%s%s", r.stdout, r.stderr)
		Expect(r.stdout + r.stderr).To(ContainSubstring("bad.yaml:10:15: nftables: syntax error"))
	})
})
