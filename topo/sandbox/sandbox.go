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
	"runtime"
	"sync"
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

// lifelineFD is where the second run finds its end of the lifeline, a pair of
// sockets: it says there that it is at home, and the kernel says there that the
// first run is gone. Extra files follow.
const lifelineFD = 3

// ExitUnavailable is the exit code of a program whose sandbox this host does not
// allow.
const ExitUnavailable = 3

// The main goroutine stays on the main thread, as the parent-death signal comes
// when the thread that started the second run ends (PR_SET_PDEATHSIG(2const)).
func init() { runtime.LockOSThread() }

// inside and rootless are set by Enter in the second run.
var inside, rootless bool

// mark is the marker's value if this is the second run, and else empty. A marker
// alone, which anybody can set, is not believed: the second run is pid 1, and
// has a lifeline to a process that its pid namespace does not show.
var mark = sync.OnceValue(func() string {
	m := os.Getenv(marker)
	os.Unsetenv(marker)
	if m == "" || os.Getpid() != 1 {
		return ""
	}
	peer, err := unix.GetsockoptUcred(lifelineFD, unix.SOL_SOCKET, unix.SO_PEERCRED)
	domain, errDomain := unix.GetsockoptInt(lifelineFD, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil || errDomain != nil || domain != unix.AF_UNIX || peer.Pid != 0 {
		return ""
	}
	return m
})

// Inside tells whether the program runs in a sandbox that Enter made.
func Inside() bool { return inside }

// First tells whether the program runs outside of a sandbox, and Enter would
// start it again.
func First() bool { return mark() == "" }

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
	if m := mark(); m != "" {
		rootless = m == markRootless
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
	own, its, err := lifeline()
	if err != nil {
		return 0, err
	}
	defer own.Close()
	exe, err := os.Executable()
	if err != nil {
		return 0, fmt.Errorf("find own executable: %w", err)
	}
	cmd := exec.Command(exe)
	cmd.Args = os.Args
	root := isRoot()
	m := markRoot
	if !root {
		m = markRootless
	}
	cmd.Env = append(append(os.Environ(), o.Env...), marker+"="+m)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = append([]*os.File{its}, o.Files...)
	cmd.SysProcAttr = namespaces(root)
	ready := make(chan struct{})
	signals := newRelay(ready)
	err = cmd.Start()
	its.Close()
	if err != nil {
		signal.Stop(signals.signals)
		return 0, unavailable(err)
	}
	go func() {
		own.Read(make([]byte, 1)) // a byte, or the end
		close(ready)
	}()
	go signals.pass(cmd.Process)
	code, err := exitCode(cmd.Wait())
	return signals.cause(code), err
}

// lifeline is a pair of connected sockets: the first run's own, and the second
// run's.
func lifeline() (own, its *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make lifeline: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "lifeline"), os.NewFile(uintptr(fds[1]), "lifeline"), nil
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
