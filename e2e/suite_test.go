// Package e2e_test holds the program and its library against what they promise,
// as their users see them: from outside. The program is built once, without cgo,
// and run on scenario files; it says what it saw in its JSON report.
package e2e_test

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"testbed/scenarios"
)

// root is the repository's root folder.
const root = ".."

// program is the built binary, and library the copy of scenarios/ beside it, in
// a folder that every user can read.
var program, library string

func TestEndToEnd(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "testbed from outside")
}

var _ = BeforeSuite(func() {
	dir, err := os.MkdirTemp("", "testbed-e2e-")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(os.RemoveAll, dir)
	Expect(os.Chmod(dir, 0o755)).To(Succeed())

	program = filepath.Join(dir, "testbed")
	build := exec.Command("go", "build", "-o", program, "./cmd/testbed")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%s", out)

	library = filepath.Join(dir, "scenarios")
	for _, f := range scenarios.Files() {
		Expect(os.MkdirAll(filepath.Join(library, filepath.Dir(f)), 0o755)).To(Succeed())
		copyFile(filepath.Join(root, "scenarios", f), filepath.Join(library, f))
	}
	self.requireSandbox()
})

var _ = Describe("the binary", func() {
	It("is static: it asks for no dynamic linker", func() {
		f, err := elf.Open(program)
		Expect(err).NotTo(HaveOccurred())
		defer f.Close()
		Expect(f.Type).To(Equal(elf.ET_EXEC))
		for _, p := range f.Progs {
			Expect(p.Type).NotTo(Equal(elf.PT_INTERP))
		}
	})
})

func copyFile(from, to string) {
	GinkgoHelper()
	b, err := os.ReadFile(from)
	Expect(err).NotTo(HaveOccurred())
	Expect(os.WriteFile(to, b, 0o644)).To(Succeed())
}
