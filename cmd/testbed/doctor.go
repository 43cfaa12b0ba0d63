package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"testbed/topo/sandbox"
)

func newDoctor() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Tell what this machine has and lacks for the testbed",
		Long: `Doctor tries every kernel feature and permission that the testbed uses, each in
a sandbox that it leaves nothing of, and says what it is for and how to get it.

Exit codes: 0 everything that is required is there, 3 something is missing.`,
		Example: `  testbed doctor
  sudo testbed doctor     what is there for root, if something is missing here`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := sandbox.Enter(sandbox.Options{}); err != nil {
				return tellUnavailable(err)
			}
			return examine()
		},
	}
}

// tellUnavailable reports a host that allows no sandbox, where nothing else can
// be tried.
func tellUnavailable(err error) error {
	var u *sandbox.Unavailable
	if !errors.As(err, &u) {
		return err
	}
	show(finding{name: u.Missing, purpose: "the sandbox that everything runs in", required: true, err: u.Err, remedy: u.Remedy})
	return &codeError{code: exitUnavailable}
}

// finding is a feature that was tried.
type finding struct {
	name, purpose string
	// required is false for a feature that the testbed does without.
	required bool
	// err is nil if it is there; remedy is what to do if it is not.
	err    error
	remedy string
	// detail says more about what is there.
	detail string
}

// examine tries everything and shows it.
func examine() error {
	who := "an ordinary user, in a user namespace"
	if !sandbox.Rootless() {
		who = "root"
	}
	fmt.Printf("testbed %s on Linux %s, as %s\n\n", version(), kernelRelease(), who)
	missing := 0
	findings := append([]finding{{name: "namespaces", purpose: "the sandbox that everything runs in", required: true, detail: "user, mount, network and pid namespaces"}}, probe()...)
	for _, f := range findings {
		show(f)
		if f.err != nil && f.required {
			missing++
		}
	}
	fmt.Println()
	if missing > 0 {
		fmt.Printf("%s missing that the testbed can't do without.\n", count(missing, "feature"))
		return &codeError{code: exitUnavailable}
	}
	fmt.Println("Everything that is required is there.")
	return nil
}

// show prints one finding.
func show(f finding) { fmt.Print(f.text()) }

// text is the finding on a line, and what there is to say about it below.
func (f finding) text() string {
	mark, below := "ok     ", f.detail
	if f.err != nil {
		mark, below = "without", reason(f.err)+"\n"+f.remedy
		if f.required {
			mark = "MISSING"
		}
	}
	text := fmt.Sprintf("%s  %-28s %s\n", mark, f.name, f.purpose)
	for line := range strings.Lines(below) {
		text += "         " + strings.TrimSuffix(line, "\n") + "\n"
	}
	return text
}

// reason is an error without a remedy of its own, as a finding has one.
func reason(err error) string {
	var u *sandbox.Unavailable
	if errors.As(err, &u) {
		err = u.Err
	}
	return err.Error()
}

// kernelRelease is the running kernel's, as uname -r prints it.
func kernelRelease() string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "of unknown release"
	}
	return strings.TrimSpace(string(b))
}
