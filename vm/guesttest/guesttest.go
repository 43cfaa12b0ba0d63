// Package guesttest runs a package's tests inside guests with a virtual clock:
// the same test binary, as the first process of a virtual machine, once for each
// kernel.
package guesttest

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"testbed/topo/sandbox"
	"testbed/vm"
	"testbed/vm/guest"
	"testbed/vm/kernel"
	"testbed/vm/machine"
	"testbed/vm/qemu"
)

// KernelsEnv names the kernels, with commas between them, or is NoKernels; Kernels
// are those without it.
const (
	KernelsEnv = "TESTBED_KERNELS"
	NoKernels  = "none"
)

// Kernels are the two that the virtual clock is tested with.
var Kernels = []string{"6.1", "6.12"}

// Main runs a package's tests: in a sandbox on the host, and those that Run names
// in a guest too. Call it from TestMain.
func Main(m *testing.M) {
	guest.Main(guest.Program{Do: func(*vm.Job, func(vm.Record) error) int {
		sandbox.OwnMachine()
		return m.Run()
	}})
	sandbox.TestMain(m)
}

// Names are those of KernelsEnv, or Kernels.
func Names() []string {
	switch list := os.Getenv(KernelsEnv); list {
	case "":
		return Kernels
	case NoKernels:
		return nil
	default:
		return strings.Split(list, ",")
	}
}

// Run runs the tests that match a pattern in a guest of each kernel, all guests at
// once: nothing that a guest sees depends on how busy the host is. A kernel that
// is not there, or a host without QEMU, skips the test and says why, or fails it
// where TESTBED_REQUIRE is set. In the guest itself it does nothing.
func Run(t *testing.T, pattern string, flags ...string) {
	for _, name := range Names() {
		t.Run("linux-"+name, func(t *testing.T) {
			t.Parallel()
			m := Open(t, name)
			w := &lines{t: t}
			args := append([]string{"-test.run=" + pattern, "-test.v=true", "-test.timeout=0"}, flags...)
			job := &vm.Job{Seed: 1, Args: args}
			if v := os.Getenv(sandbox.RequireEnv); v != "" {
				job.Env = []string{sandbox.RequireEnv + "=" + v}
			}
			code, err := m.Do(t.Context(), job, w.record)
			w.flush()
			if err != nil {
				t.Fatal(err)
			}
			if code != 0 {
				t.Errorf("the tests in the guest ended with code %d", code)
			}
			if w.ran == 0 {
				t.Error("no test ran in the guest")
			}
		})
	}
}

// Open opens a machine with the running test binary and a kernel. It is closed
// with the test.
func Open(t testing.TB, name string) *machine.Machine {
	t.Helper()
	if raceDetector {
		t.Skip("the race detector's own memory and instructions make a guest useless")
	}
	k, err := kernel.Find(name)
	skipOrFail(t, err)
	q, err := qemu.Find()
	skipOrFail(t, err)
	m, err := machine.Open(t.Context(), machine.Options{Kernel: k, Emulator: q, Deadline: deadline})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// deadline is far beyond what a package's tests take in a guest on a busy machine,
// and less than what go test allows them.
const deadline = 8 * time.Minute

// skipOrFail skips for what this host lacks, unless it is required.
func skipOrFail(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var missing *sandbox.Unavailable
	var none *kernel.NotFound
	if !errors.As(err, &missing) && !errors.As(err, &none) {
		t.Fatal(err)
	}
	sandbox.SkipOrFail(t, fmt.Errorf("the virtual clock can't be used: %w", err))
}

// lines logs what a guest prints, line by line.
type lines struct {
	t    *testing.T
	rest string
	ran  int
}

func (l *lines) record(r vm.Record) error {
	if r.Kind != vm.Stdout && r.Kind != vm.Stderr {
		return nil
	}
	text := l.rest + string(r.Data)
	for {
		line, rest, ok := strings.Cut(text, "\n")
		if !ok {
			l.rest = text
			return nil
		}
		l.line(line)
		text = rest
	}
}

func (l *lines) flush() {
	if l.rest != "" {
		l.line(l.rest)
	}
}

func (l *lines) line(s string) {
	if strings.HasPrefix(strings.TrimSpace(s), "--- PASS: ") {
		l.ran++
	}
	l.t.Log(strings.ReplaceAll(s, "--- ", "guest: ")) // go test would take them for its own
}
