package e2e_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"
)

var _ = Describe("the running kernel", func() {
	release := func() string {
		GinkgoHelper()
		var u unix.Utsname
		Expect(unix.Uname(&u)).To(Succeed())
		return unix.ByteSliceToString(u.Release[:])
	}

	It("decides what is expected", func() {
		r := self.run(self.scenario(`
name: by-kernel
nodes: {client: {}, server: {}}
links: [{between: [client, server]}]
steps:
  - connect: server:80
    from: client
    expect:
      kernels:
        ">= 3": {outcome: refused}
        "< 3": {outcome: connected}
  - connect: server:80
    from: client
    expect:
      outcome: refused
      kernels: {">= 3": {error: ECONNRESET}}
`))
		Expect(r.code).To(Equal(1))
		Expect(r.document.Scenarios[0].Kernel).To(Equal(release()))
		steps := r.steps()
		Expect(unmet(steps[0])).To(BeEmpty())
		Expect(steps[0].Checks[0].Kernels).To(Equal(">= 3"))
		Expect(unmet(steps[1])).To(Equal([]string{"error"}))
		Expect(r.stdout).To(ContainSubstring("[kernels >= 3]"))
		Expect(strings.Join(strings.Fields(r.stdout), " ")).To(ContainSubstring("Kernel: " + release() + ", so that what is expected of kernels >= 3 counts too."))
	})

	It("makes a scenario for others be skipped, which is no failure", func() {
		r := self.run(self.scenario(`
name: for-others
kernels: "< 3"
nodes: {client: {}}
steps: [{exec: "false", from: client}]
`))
		Expect(r.code).To(BeZero())
		Expect(r.document.OK).To(BeTrue())
		Expect(r.document.Scenarios[0].Skipped).To(Equal("it is for kernels < 3, and this one is " + release()))
		Expect(r.steps()).To(BeEmpty())
		Expect(r.stdout).To(ContainSubstring("for-others  skipped"))
	})
})
