package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// withoutUserNamespaces is a program, `without-userns PROGRAM ARG…`, that runs
// another one as on a host that forbids user namespaces to ordinary users: in a
// user namespace of its own whose limit of further ones is 0
// (user_namespaces(7)), without capabilities. It ends with 99 if it can't.
func withoutUserNamespaces() {
	const inside = "TESTBED_WITHOUT_USERNS"
	if os.Getenv(inside) == "" {
		os.Exit(inUserNamespace(inside + "=1"))
	}
	os.Unsetenv(inside)
	if err := forbid(); err != nil {
		fmt.Fprintln(os.Stderr, "without-userns:", err)
		os.Exit(99)
	}
	path, err := exec.LookPath(os.Args[1])
	if err == nil {
		err = syscall.Exec(path, os.Args[1:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, "without-userns:", err)
	os.Exit(99)
}

// inUserNamespace runs this program again, as the root of a new user namespace.
func inUserNamespace(env string) int {
	exe, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, "without-userns:", err)
		return 99
	}
	cmd := exec.Command(exe, os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), env)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	if err := cmd.Run(); cmd.ProcessState == nil {
		fmt.Fprintln(os.Stderr, "without-userns:", err)
		return 99
	}
	return cmd.ProcessState.ExitCode()
}

// forbid forbids further user namespaces, and leaves nothing that an execve of
// user 0 could gain (capabilities(7): the bounding set).
func forbid() error {
	if err := os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0\n"), 0); err != nil {
		return err
	}
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	return nil
}
