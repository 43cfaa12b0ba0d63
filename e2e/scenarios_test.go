package e2e_test

import (
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"testbed/scenarios"
	"testbed/scenarios/report"
	"testbed/scenarios/spec"
)

var _ = Describe("the scenario library", func() {
	for _, u := range users() {
		Context("as "+u.name, Ordered, func() {
			results := map[string]report.ScenarioDocument{}
			var text string
			var wall time.Duration
			BeforeAll(func() {
				u.requireSandbox()
				r := u.run(libraryFiles()...)
				text, wall = r.stdout+r.stderr, r.wall
				for _, s := range r.document.Scenarios {
					results[s.File] = s
				}
			})
			for _, f := range onHostClock() {
				It("passes "+f, func() {
					s, ran := results[filepath.Join(library, f)]
					Expect(ran).To(BeTrue(), text)
					passes(u, s, text)
				})
			}

			It("runs side by side", func() {
				var sum time.Duration
				for _, s := range results {
					sum += time.Duration(s.ElapsedNS)
				}
				Expect(wall).To(BeNumerically("<", sum*7/10), "one after the other they take %v", sum)
			})
		})
	}

	It("takes a folder for its files, and not for those in folders below", func() {
		dir := self.folder()
		Expect(os.Mkdir(filepath.Join(dir, "below"), 0o755)).To(Succeed())
		for _, f := range []string{"closed-port.yaml", "handshake-100ms.yaml", "below/closed-port.yaml"} {
			copyFile(filepath.Join(library, filepath.Base(f)), filepath.Join(dir, f))
		}
		r := self.run(dir)
		Expect(r.code).To(BeZero(), "%s%s", r.stdout, r.stderr)
		Expect(r.document.Scenarios).To(HaveLen(2))
	})

	It("is deterministic in what it assigns", func() {
		file := filepath.Join(library, "closed-port.yaml")
		first, second := self.run(file), self.run(file)
		Expect(first.steps()[0].Remote).To(Equal(second.steps()[0].Remote))
		Expect(first.steps()[0].Path).To(Equal(second.steps()[0].Path))
	})
})

// onHostClock are the files of the library that are not for the virtual clock, as
// paths in it.
func onHostClock() (files []string) {
	for _, f := range scenarios.Files() {
		src, err := scenarios.Library.ReadFile(f)
		if err != nil {
			panic(err)
		}
		if s, err := spec.Decode(f, src); err != nil || s.Clock != spec.VirtualClock {
			files = append(files, f)
		}
	}
	return files
}

// libraryFiles are the same as copies that every user can read.
func libraryFiles() (files []string) {
	for _, f := range onHostClock() {
		files = append(files, filepath.Join(library, f))
	}
	return files
}

// passes holds that every check of every step was met, and that what it says of
// states comes from where that user can have it.
func passes(u *user, d report.ScenarioDocument, text string) {
	GinkgoHelper()
	Expect(d.Error).To(BeEmpty())
	Expect(d.Skipped).To(BeEmpty())
	source := "packets"
	if u != ordinary && u.has("state tracepoint") {
		source = "tracepoint"
	}
	checks := 0
	steps := d.Steps
	for _, c := range d.Cells {
		steps = append(steps, c.Steps...)
		for _, s := range c.Series {
			Expect(s.OK).To(BeTrue(), "step %s\n%s", s.Step, text)
			checks += len(s.Checks)
		}
	}
	for _, s := range steps {
		checks += passesStep(s, source, text)
	}
	Expect(d.OK).To(BeTrue(), text)
	Expect(checks).To(BeNumerically(">", 0))
}

// passesStep is passes of a step and of those that it is of, and counts their checks.
func passesStep(s report.StepDocument, source, text string) int {
	GinkgoHelper()
	Expect(unmet(s)).To(BeEmpty(), "step %d\n%s", s.Step, text)
	if s.States != nil {
		Expect(s.States.Source).To(Equal(source), "step %d", s.Step)
	}
	if s.AcceptTimeNS != nil {
		Expect(s.AcceptSource).To(Equal(source), "step %d", s.Step)
	}
	checks := len(s.Checks)
	for _, n := range s.Parallel {
		checks += passesStep(n, source, text)
	}
	return checks
}
