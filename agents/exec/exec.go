// Package exec runs programs inside a node: in its network namespace, with its
// host name, and with /etc/hosts saying what its names mean.
package exec

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"testbed/topo"
	"testbed/topo/netns"
)

// Node is where programs run.
type Node struct {
	NS *netns.NS
	// Name becomes the host name, Hosts the content of /etc/hosts.
	Name  string
	Hosts []topo.HostEntry
	// Nameservers are whom programs ask for other names, as Stub says.
	Nameservers []netip.Addr
	Stub        topo.Stub
	// Trust are the certificates that programs trust, in PEM; nil leaves them what
	// the host trusts.
	Trust []byte
}

// Command is a program to run.
type Command struct {
	Args []string
	// Env are NAME=value pairs added to the testbed's own environment.
	Env []string
	// Dir is the working directory; empty is the testbed's own.
	Dir string
	// Stdin, Stdout and Stderr are handed to the program itself; nil is
	// /dev/null.
	Stdin, Stdout, Stderr *os.File
	// Terminal makes Stdin the program's controlling terminal.
	Terminal bool
}

// Start starts a program. The caller waits for it; what it leaves running ends
// with the sandbox. A *FurnishError is the testbed's own, a *NotStarted says that
// there is no such program to start.
func Start(n Node, c Command) (*exec.Cmd, error) {
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Env, cmd.Dir = append(os.Environ(), c.Env...), c.Dir
	// A nil *os.File in an io.Reader or io.Writer would not be nil.
	if c.Stdin != nil {
		cmd.Stdin = c.Stdin
	}
	if c.Stdout != nil {
		cmd.Stdout = c.Stdout
	}
	if c.Stderr != nil {
		cmd.Stderr = c.Stderr
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: c.Terminal}
	if err := inFurnished(n, func() error { return started(cmd.Start()) }); err != nil {
		return nil, err
	}
	return cmd, nil
}

// NotStarted says that there is no such program to start, or none that could be.
type NotStarted struct{ Err error }

// Error is what the kernel said.
func (n *NotStarted) Error() string { return n.Err.Error() }

// Unwrap is what the kernel said.
func (n *NotStarted) Unwrap() error { return n.Err }

func started(err error) error {
	if err != nil {
		return &NotStarted{err}
	}
	return nil
}

// Result is how a program ended.
type Result struct {
	// Exit is its exit code, or 128 plus the signal that ended it.
	Exit int
	// Deadline is true when it was killed because its time was up.
	Deadline       bool
	Elapsed        time.Duration
	Stdout, Stderr string
}

// Run runs a program with nothing on its standard input and collects what it
// prints, each stream up to MaxOutput bytes. After timeout, which must be
// positive, its process group is killed. A program that it left in the
// background goes on until the sandbox ends. The error is the context's, the
// testbed's, or that the program could not be started.
func Run(ctx context.Context, n Node, c Command, timeout time.Duration) (*Result, error) {
	stdout, err := newCollector()
	if err != nil {
		return nil, err
	}
	stderr, err := newCollector()
	if err != nil {
		stdout.abandon()
		return nil, err
	}
	c.Stdout, c.Stderr = stdout.w, stderr.w
	began := time.Now()
	cmd, err := Start(n, c)
	if err != nil {
		stdout.abandon()
		stderr.abandon()
		return nil, err
	}
	stdout.collect()
	stderr.collect()
	r := &Result{}
	r.Exit, r.Deadline = wait(ctx, cmd, timeout)
	r.Elapsed = time.Since(began)
	r.Stdout, r.Stderr = stdout.text(), stderr.text()
	return r, ctx.Err()
}

// wait waits for a program and kills its process group when its time is up.
func wait(ctx context.Context, cmd *exec.Cmd, timeout time.Duration) (exit int, deadline bool) {
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case err := <-done:
		return ExitCode(err), false
	case <-timer.C:
		deadline = true
	case <-ctx.Done():
	}
	unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
	return ExitCode(<-done), deadline
}

// ExitCode is a program's exit code as a shell has it.
func ExitCode(err error) int {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return 0
	}
	if st := exit.Sys().(syscall.WaitStatus); st.Signaled() {
		return 128 + int(st.Signal())
	}
	return exit.ExitCode()
}
