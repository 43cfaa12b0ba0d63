package e2e_test

import (
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"testbed/scenarios/report"
)

// The scenarios that the language was designed with are byte for byte in
// testdata/contract. These are their names, and what they check, step by step.
var contract = []struct{ name, checked string }{
	{"handshake-100ms", "outcome connect_time accept_time handshake states"},
	{"https-three-rtt", "status connect_time tls_time first_byte_time"},
	{"lossy-handshake", "outcome connect_time"},
	{"port-scan", "open closed filtered"},
}

// contractOfTime are those that wait for long, or need a clock that is exact: three
// timers, of 1, 2 and 4 s, may be 32, 32 and 256 ms late at 250 ticks a second
// (kernel/time/timer.c), for which firewall-drop has a tolerance of 300 ms. In a guest
// all its runs are alike.
var contractOfTime = []struct{ name, checked string }{
	{"firewall-drop", "outcome error elapsed packets syn_times states dropped"},
	{"nat-idle-timeout", "outcome connect_time seen_from, outcome, outcome, outcome dropped"},
}

var _ = Describe("the scenarios that the language was designed with", func() {
	text := func(name string) string {
		GinkgoHelper()
		b, err := os.ReadFile(filepath.Join("testdata", "contract", name+".yaml"))
		Expect(err).NotTo(HaveOccurred())
		return string(b)
	}

	for _, u := range users() {
		Context("as "+u.name, Ordered, func() {
			var r result
			BeforeAll(func() {
				u.requireSandbox()
				dir := u.folder()
				for _, c := range contract {
					Expect(os.WriteFile(filepath.Join(dir, c.name+".yaml"), []byte(text(c.name)), 0o644)).To(Succeed())
				}
				r = u.run(dir)
				Expect(r.document.Scenarios).To(HaveLen(len(contract)), "%s%s", r.stdout, r.stderr)
			})
			for i, c := range contract {
				It("pass as they stand: "+c.name, func() {
					s := r.document.Scenarios[i]
					Expect(s.Name).To(Equal(c.name))
					passes(u, s, r.stdout)
					if s.Cells == nil {
						Expect(checked(s.Steps)).To(Equal(c.checked))
					}
					for _, cell := range s.Cells {
						Expect(checked(cell.Steps)).To(Equal(c.checked))
					}
				})
			}

			It("are repeated for each loss and each delay", func() {
				lossy := r.document.Scenarios[2]
				Expect(lossy.Cells).To(HaveLen(6))
				for _, cell := range lossy.Cells {
					Expect(cell.Series).To(HaveLen(1))
					Expect(cell.Series[0].Count).To(Equal(30))
				}
			})

			It("leave the program content", func() {
				Expect(r.code).To(BeZero(), "%s%s", r.stdout, r.stderr)
			})
		})
	}

	for _, c := range contractOfTime {
		It("pass as they stand, on the virtual clock: "+c.name, func() {
			Expect(checked(virtually(text(c.name)))).To(Equal(c.checked))
		})
	}
})

// checked are the keys of the checks of steps, those of one step after a comma.
func checked(steps []report.StepDocument) string {
	var all []string
	for _, s := range steps {
		var keys []string
		for _, c := range s.Checks {
			keys = append(keys, c.Key)
		}
		if len(keys) > 0 {
			all = append(all, strings.Join(keys, " "))
		}
	}
	return strings.Join(all, ", ")
}
