package e2e_test

import (
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("the scenario library", func() {
	for _, u := range users() {
		Context("as "+u.name, func() {
			BeforeEach(u.requireSandbox)
			for _, f := range scenarioFiles() {
				It("passes "+filepath.Base(f), func() { passes(u, filepath.Join(library, filepath.Base(f))) })
			}
		})
	}

	It("runs side by side", func() {
		r := self.run(library)
		Expect(r.code).To(BeZero(), "%s%s", r.stdout, r.stderr)
		Expect(r.document.Scenarios).To(HaveLen(len(scenarioFiles())))
		var sum time.Duration
		for _, s := range r.document.Scenarios {
			Expect(s.OK).To(BeTrue(), s.Name)
			sum += time.Duration(s.ElapsedNS)
		}
		Expect(r.wall).To(BeNumerically("<", sum*7/10), "one after the other they take %v", sum)
	})

	It("is deterministic in what it assigns", func() {
		file := filepath.Join(library, "closed-port.yaml")
		first, second := self.run(file), self.run(file)
		Expect(first.steps()[0].Remote).To(Equal(second.steps()[0].Remote))
		Expect(first.steps()[0].Path).To(Equal(second.steps()[0].Path))
	})
})

// passes runs one file of the library: every check of every step is met, and
// what it says of states comes from where that user can have it.
func passes(u *user, file string) {
	GinkgoHelper()
	r := u.run(file)
	Expect(r.code).To(BeZero(), "%s%s", r.stdout, r.stderr)
	Expect(r.document.OK).To(BeTrue())
	source := "packets"
	if u != ordinary && u.has("state tracepoint") {
		source = "tracepoint"
	}
	checks := 0
	for _, s := range r.steps() {
		Expect(unmet(s)).To(BeEmpty(), "step %d", s.Step)
		checks += len(s.Checks)
		if s.States != nil {
			Expect(s.States.Source).To(Equal(source), "step %d", s.Step)
		}
		if s.AcceptTimeNS != nil {
			Expect(s.AcceptSource).To(Equal(source), "step %d", s.Step)
		}
	}
	Expect(checks).To(BeNumerically(">", 0))
}
