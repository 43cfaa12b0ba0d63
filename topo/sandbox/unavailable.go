package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Unavailable says that this host lacks what the testbed needs, and how to get
// it.
type Unavailable struct {
	// Missing names the feature or permission.
	Missing string
	// Remedy says what to do, in full sentences.
	Remedy string
	// Err is what the kernel said.
	Err error
}

// Error gives all three.
func (u *Unavailable) Error() string {
	return fmt.Sprintf("this host can't run it: no %s (%v)\n%s", u.Missing, u.Err, u.Remedy)
}

// Unwrap is what the kernel said.
func (u *Unavailable) Unwrap() error { return u.Err }

// unavailable explains why the second run could not be started.
func unavailable(err error) error {
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EACCES), errors.Is(err, unix.ENOMEM), errors.Is(err, unix.EAGAIN):
		return fmt.Errorf("start the sandbox: %w", err)
	}
	missing := "user namespaces for ordinary users"
	if isRoot() {
		missing = "mount, network and pid namespaces"
	}
	return &Unavailable{Missing: missing, Err: err, Remedy: remedyUserNS()}
}

// remedyUserNS names the settings of this host that forbid user namespaces.
func remedyUserNS() string {
	var lines []string
	for _, k := range []struct{ path, forbids, allow string }{
		{"/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"},
		{"/proc/sys/user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=15000"},
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
	} {
		b, err := os.ReadFile(k.path)
		if err == nil && strings.TrimSpace(string(b)) == k.forbids {
			lines = append(lines, fmt.Sprintf("%s is %s, which forbids it: run as root `%s`, or run testbed as root.", k.path, k.forbids, k.allow))
		}
	}
	if lines == nil {
		lines = []string{"Run testbed as root, or, in a container, allow it to make namespaces (docker run --privileged, or --security-opt seccomp=unconfined)."}
	}
	return strings.Join(append(lines, "`testbed doctor` shows everything that is needed."), "\n")
}
