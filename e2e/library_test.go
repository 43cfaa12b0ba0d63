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

		tests = filepath.Join(module, "example.test")
		c := exec.Command("go", "test", "-c", "-o", tests, ".")
		c.Dir, c.Env = module, append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
		out, err := c.CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), "%s", out)
	})

	for _, u := range users() {
		It("passes a test that expects what happens, as "+u.name, func() {
			u.requireSandbox()
			out, err := u.command(tests, "-test.run", "TestRight", "-test.v").CombinedOutput()
			Expect(err).NotTo(HaveOccurred(), "%s", out)
			Expect(string(out)).To(ContainSubstring("--- PASS: TestRight"))
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
