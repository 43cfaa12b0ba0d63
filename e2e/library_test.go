package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("the library, in a module of another", Ordered, func() {
	// tests is that module's test binary.
	var tests string

	BeforeAll(func() {
		module := filepath.Join(filepath.Dir(program), "example")
		Expect(os.Mkdir(module, 0o755)).To(Succeed())
		copyFile("testdata/library/lab_test.go", filepath.Join(module, "lab_test.go"))
		copyFile(filepath.Join(root, "go.sum"), filepath.Join(module, "go.sum"))
		Expect(os.WriteFile(filepath.Join(module, "go.mod"), []byte(otherModule()), 0o644)).To(Succeed())

		shown := filepath.Join(module, "shown")
		Expect(os.Mkdir(shown, 0o755)).To(Succeed())
		Expect(os.WriteFile(filepath.Join(shown, "shown_test.go"), []byte(shownInREADME()), 0o644)).To(Succeed())

		tests = filepath.Join(module, "example.test")
		for from, to := range map[string]string{".": tests, "./shown": tests + "-shown"} {
			c := exec.Command("go", "test", "-c", "-o", to, from)
			c.Dir, c.Env = module, append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -mod=mod", "GOPROXY=off", "GOWORK=off")
			out, err := c.CombinedOutput()
			Expect(err).NotTo(HaveOccurred(), "%s", out)
		}
	})

	for _, u := range users() {
		It("passes a test that expects what happens, as "+u.name, func() {
			u.requireSandbox()
			out, err := u.command(tests, "-test.run", "TestRight", "-test.v").CombinedOutput()
			Expect(err).NotTo(HaveOccurred(), "%s", out)
			Expect(string(out)).To(ContainSubstring("--- PASS: TestRight"))
		})

		It("passes the test that the README shows, as "+u.name, func() {
			u.requireSandbox()
			out, err := u.command(tests+"-shown", "-test.v").CombinedOutput()
			Expect(err).NotTo(HaveOccurred(), "%s", out)
			Expect(string(out)).To(ContainSubstring("--- PASS: TestHandshake"))
		})

		It("fails a test that expects something else, as "+u.name, func() {
			u.requireSandbox()
			out, err := u.command(tests, "-test.run", "TestWrong", "-test.v").CombinedOutput()
			Expect(err).To(BeAssignableToTypeOf(&exec.ExitError{}), "%s", out)
			Expect(string(out)).To(And(ContainSubstring("--- FAIL: TestWrong"), ContainSubstring("outcome refused, want connected")))
		})
	}
})

// otherModule is the go.mod of a module that uses this one: its requirements are
// this one's, so that nothing has to be fetched.
func otherModule() string {
	GinkgoHelper()
	dir, err := filepath.Abs(root)
	Expect(err).NotTo(HaveOccurred())
	own, err := os.ReadFile(filepath.Join(root, "go.mod"))
	Expect(err).NotTo(HaveOccurred())
	text := strings.Replace(string(own), "module testbed\n", "module example\n", 1)
	return text + "\nrequire testbed v0.0.0\n\nreplace testbed => " + dir + "\n"
}

// shownInREADME is the README's test, with the imports that it leaves out.
func shownInREADME() string {
	GinkgoHelper()
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	Expect(err).NotTo(HaveOccurred())
	_, text, found := strings.Cut(string(readme), "```go\n")
	Expect(found).To(BeTrue())
	text, _, _ = strings.Cut(text, "```\n")
	imports := "package shown\n\nimport (\n\t\"testing\"\n\t\"time\"\n"
	for _, p := range []string{"agents", "netem", "scenarios/run", "scenarios/spec", "topo", "topo/sandbox"} {
		imports += "\t\"testbed/" + p + "\"\n"
	}
	return imports + ")\n\n" + text
}
