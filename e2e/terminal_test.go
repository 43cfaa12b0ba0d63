package e2e_test

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/creack/pty"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"golang.org/x/term"
)

var _ = Describe("on a terminal", func() {
	It("shows colours, and what goes on while it runs", func() {
		t := openTerminal(self.command(program, "run", filepath.Join(library, "syn-lost.yaml")))
		Eventually(t.shown).WithTimeout(gone).Should(gbytes.Say("\r[^\n]*syn-lost[^\n]*\x1b\\[K"), "the live line")
		Expect(t.wait()).To(BeZero())
		Expect(t.shown.Contents()).To(ContainSubstring("\x1b["))
		Expect(string(t.shown.Contents())).To(ContainSubstring("lose-first-syn"))
	})

	It("keeps to the terminal's width", func() {
		c := self.command(program, "run", "--color", "never", filepath.Join(library, "closed-port.yaml"))
		c.Env = append(c.Env, "TERM=dumb")
		t := openTerminal(c)
		Expect(t.wait()).To(BeZero())
		for line := range strings.Lines(string(t.shown.Contents())) {
			Expect(utf8.RuneCountInString(strings.TrimRight(line, "\r\n"))).To(BeNumerically("<=", width), line)
		}
	})

	It("gives a shell in a node a terminal of its own", func() {
		name, _ := self.hold("shell")
		t := openTerminal(self.command(program, "exec", "--run", name, "server", "--", "sh"))
		t.types("tty; stty size 2>/dev/null; cat /proc/sys/kernel/hostname\n")
		Eventually(t.shown).WithTimeout(gone).Should(gbytes.Say(`/dev/(pts/\d+|console|tty)`))
		Eventually(t.shown).WithTimeout(gone).Should(gbytes.Say("server"))

		By("Ctrl-C, which is for the program in the node")
		// A shell that gets it just before its child begins looks for it when that ends.
		t.types(`sh -c 'trap "echo caught it; exit" INT; echo waiting for it; while :; do sleep 0.1; done'` + "\n")
		// The echo of what was typed has a semicolon there; a prompt may come before.
		Eventually(t.shown).WithTimeout(gone).Should(gbytes.Say("waiting for it\r\n"))
		t.types("\x03")
		Eventually(t.shown).WithTimeout(gone).Should(gbytes.Say("caught it"))
		t.types("exit 7\n")
		Expect(t.wait()).To(Equal(7))
	})
})

// width is that of the terminals, in columns.
const width = 72

// terminal is a program on a pseudoterminal.
type terminal struct {
	cmd     *exec.Cmd
	control *os.File
	shown   *gbytes.Buffer
	drained chan struct{}
}

func openTerminal(c *exec.Cmd) *terminal {
	GinkgoHelper()
	if c.Env[len(c.Env)-1] != "TERM=dumb" {
		c.Env = append(c.Env, "TERM=xterm-256color")
	}
	control, err := pty.StartWithSize(c, &pty.Winsize{Rows: 40, Cols: width})
	Expect(err).NotTo(HaveOccurred())
	t := &terminal{cmd: c, control: control, shown: gbytes.NewBuffer(), drained: make(chan struct{})}
	go func() {
		defer close(t.drained)
		io.Copy(t.shown, control) // ends with EIO when the program has ended
	}()
	DeferCleanup(func() { c.Process.Kill(); control.Close() })
	Expect(term.IsTerminal(int(control.Fd()))).To(BeTrue())
	return t
}

func (t *terminal) types(text string) {
	GinkgoHelper()
	_, err := t.control.WriteString(text)
	if !errors.Is(err, syscall.EIO) {
		Expect(err).NotTo(HaveOccurred())
	}
}

// wait waits for the program's end and everything that it has shown.
func (t *terminal) wait() int {
	GinkgoHelper()
	Eventually(t.drained).WithTimeout(gone).Should(BeClosed())
	t.cmd.Wait()
	return t.cmd.ProcessState.ExitCode()
}
