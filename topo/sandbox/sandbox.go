// Package sandbox runs the program again inside fresh user (unless it is root),
// mount, network and pid namespaces. Nothing that happens in there touches the
// host, and nothing of it outlives the program, however it ends.
package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// marker tells the second run that it is inside. It is removed from the
// environment at once, so that a program started inside can enter a sandbox of
// its own.
const marker = "TESTBED_SANDBOX"

// The marker's values.
const (
	markRoot     = "root"
	markRootless = "rootless"
)

// lifelineFD is where the second run finds the pipe that closes when the first
// one dies. Extra files follow.
const lifelineFD = 3

// ExitUnavailable is the exit code of a program whose sandbox this host does not
// allow.
const ExitUnavailable = 3

// inside and rootless are set by Enter in the second run.
var inside, rootless bool

// Inside tells whether the program runs in a sandbox that Enter made.
func Inside() bool { return inside }

// First tells whether the program runs outside of a sandbox, and Enter would
// start it again.
func First() bool { return !inside && os.Getenv(marker) == "" }

// Rootless tells, inside, whether the sandbox has a user namespace, in which the
// user seems to be root and is not.
func Rootless() bool { return rootless }

// Options for Enter.
type Options struct {
	// Files are open files that the second run inherits; there, File returns
	// them by index.
	Files []*os.File
	// Env are NAME=value pairs added to the environment.
	Env []string
}

// File is the i-th of Options.Files, inside.
func File(i int) *os.File {
	return os.NewFile(uintptr(lifelineFD+1+i), fmt.Sprintf("inherited-%d", i))
}

// Enter returns in the second run, inside the sandbox. In the first run it
// starts the second one with the same arguments and standard files, passes
// signals on, waits, and ends the program with the same exit code. It returns
// an error only in the first run, an *Unavailable if this host does not allow a
// sandbox. Call it at the beginning of main or TestMain, on the main goroutine.
func Enter(o Options) error {
	if how := os.Getenv(marker); how != "" {
		os.Unsetenv(marker)
		rootless = how == markRootless
		if err := settle(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(ExitUnavailable)
		}
		inside = true
		return nil
	}
	code, err := runAgain(o)
	if err != nil {
		return err
	}
	os.Exit(code)
	return nil
}

// runAgain starts the second run and returns its exit code.
func runAgain(o Options) (int, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("make lifeline: %w", err)
	}
	defer w.Close()
	exe, err := os.Executable()
	if err != nil {
		return 0, fmt.Errorf("find own executable: %w", err)
	}
	cmd := exec.Command(exe)
	cmd.Args = os.Args
	root := isRoot()
	mark := markRoot
	if !root {
		mark = markRootless
	}
	cmd.Env = append(append(os.Environ(), o.Env...), marker+"="+mark)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = append([]*os.File{r}, o.Files...)
	cmd.SysProcAttr = namespaces(root)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		r.Close()
		return 0, unavailable(err)
	}
	r.Close()
	go pass(signals, cmd.Process)
	return exitCode(cmd.Wait())
}

// namespaces says which namespaces the second run gets. Pdeathsig and the
// lifeline both end it with the first one: the signal is there before the
// program has started, the pipe also when the signal was cleared.
func namespaces(root bool) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID,
		Pdeathsig:  unix.SIGKILL,
	}
	if !root {
		a.Cloneflags |= unix.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return a
}

// pass hands signals on. The terminal sends its own to both runs; the second
// run takes the first signal of a kind as a request to end, so a third one in a
// row means that it does not answer.
func pass(signals <-chan os.Signal, p *os.Process) {
	n := 0
	for s := range signals {
		if n++; n >= 3 {
			p.Kill()
			continue
		}
		p.Signal(s)
	}
}

// exitCode is the code to end with after the second run ended with err: its own,
// or 128 plus the signal that ended it, as a shell has it.
func exitCode(err error) (int, error) {
	var exit *exec.ExitError
	if err == nil {
		return 0, nil
	}
	if !errors.As(err, &exit) {
		return 0, fmt.Errorf("wait for the sandbox: %w", err)
	}
	if st, ok := exit.Sys().(syscall.WaitStatus); ok && st.Signaled() {
		return 128 + int(st.Signal()), nil
	}
	return exit.ExitCode(), nil
}

// isRoot tells whether the program may make namespaces without a user
// namespace.
func isRoot() bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return false
	}
	need := uint32(1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_RAW)
	return data[0].Effective&need == need
}
