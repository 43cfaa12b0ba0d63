package rtnl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"testbed/topo"
	"testbed/topo/sandbox"
)

// ForeignSysctl is a name that is no kernel parameter of a network namespace
// (see topo.IsNodeSysctl): writing it could change the host.
type ForeignSysctl struct{ Name string }

// Error says what names are taken.
func (f *ForeignSysctl) Error() string {
	return fmt.Sprintf("%q is no sysctl of a network namespace (those have names such as net.ipv4.tcp_syn_retries)", f.Name)
}

// UnknownSysctl is a kernel parameter that the running kernel does not have.
type UnknownSysctl struct{ Name string }

// Error says what to do about it.
func (u *UnknownSysctl) Error() string {
	return fmt.Sprintf("this kernel has no sysctl %s (write %s? to set it only where it exists)", u.Name, u.Name)
}

// SysctlValue is a value that the kernel does not take for a parameter.
type SysctlValue struct {
	Name, Value string
	// Made is what the kernel made of it, where it took something.
	Made string
	Err  error
}

// Error says what became of the value.
func (v *SysctlValue) Error() string {
	if v.Err == nil {
		return fmt.Sprintf("set sysctl %s to %q: the kernel made it %q", v.Name, v.Value, v.Made)
	}
	return fmt.Sprintf("set sysctl %s to %q: the kernel does not take this value: %v", v.Name, v.Value, v.Err)
}

func (v *SysctlValue) Unwrap() error { return v.Err }

// SetSysctls writes kernel parameters of the namespace, reads each back and
// compares. The congestion control may be one that the host restricts; then it
// is left to the routes (see ReplaceRoutes). It returns an *UnknownSysctl for a
// parameter that is neither there nor optional, a *SysctlValue for a value that the
// kernel does not take, a *ForeignSysctl, before anything is written, for one that is
// not the namespace's, and a *sandbox.Unavailable where the host lets none be written.
func (h *Handle) SetSysctls(list []topo.Sysctl) error {
	for _, s := range list {
		if !topo.IsNodeSysctl(s.Name) {
			return &ForeignSysctl{Name: s.Name}
		}
	}
	return h.ns.Do(func() error {
		for _, s := range list {
			if err := setSysctl(s); err != nil {
				return err
			}
		}
		return nil
	})
}

// setSysctl writes one parameter of the calling thread's namespace.
func setSysctl(s topo.Sysctl) error {
	path := sysctlPath(s.Name)
	was, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if s.Optional {
			return nil
		}
		return &UnknownSysctl{Name: s.Name}
	}
	if err == nil && sameValue(string(was), s.Value) {
		return nil
	}
	if err := os.WriteFile(path, []byte(s.Value), 0o644); err != nil {
		if s.Name == topo.CongestionSysctl && errors.Is(err, unix.EPERM) {
			return nil
		}
		return refused(s, path, err)
	}
	now, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read sysctl %s back: %w", s.Name, err)
	}
	if !sameValue(string(now), s.Value) {
		return &SysctlValue{Name: s.Name, Value: s.Value, Made: strings.TrimSpace(string(now))}
	}
	return nil
}

// refused explains why a parameter could not be written. A host that lets nobody
// write what a namespace's own root may write is *sandbox.Unavailable.
func refused(s topo.Sysctl, path string, err error) error {
	named := fmt.Errorf("set sysctl %s to %q: %w", s.Name, s.Value, err)
	st, statErr := os.Stat(path)
	switch {
	case errors.Is(err, unix.EROFS), errors.Is(err, unix.EPERM):
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ERANGE), errors.Is(err, unix.ENOENT):
		return &SysctlValue{Name: s.Name, Value: s.Value, Err: err}
	case !errors.Is(err, unix.EACCES):
		return named
	case statErr == nil && st.Mode().Perm()&0o222 == 0:
		return fmt.Errorf("set sysctl %s to %q: the kernel only lets it be read: %w", s.Name, s.Value, err)
	}
	return &sandbox.Unavailable{Missing: "writable /proc/sys/net", Err: named, Remedy: remedyReadOnly}
}

// remedyReadOnly names what keeps /proc/sys read-only: container runtimes, and
// security modules.
const remedyReadOnly = "In a container, /proc/sys must be writable: docker run --privileged (or --security-opt systempaths=unconfined " +
	"--security-opt apparmor=unconfined), podman run --security-opt unmask=ALL, in Kubernetes procMount: Unmasked.\n" +
	"Outside of one, a security module (AppArmor, SELinux) forbids it, and its log names the rule.\n" +
	"`testbed doctor` shows everything that is needed."

// Sysctl reads a kernel parameter of the namespace, with the errors of
// SetSysctls.
func (h *Handle) Sysctl(name string) (value string, err error) {
	if !topo.IsNodeSysctl(name) {
		return "", &ForeignSysctl{Name: name}
	}
	err = h.ns.Do(func() error {
		b, err := os.ReadFile(sysctlPath(name))
		value = strings.TrimSpace(string(b))
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = &UnknownSysctl{Name: name}
	}
	return value, err
}

func sysctlPath(name string) string {
	return "/proc/sys/" + strings.ReplaceAll(name, ".", "/")
}

// sameValue compares values as the kernel does, with white space folded.
func sameValue(a, b string) bool {
	return strings.Join(strings.Fields(a), " ") == strings.Join(strings.Fields(b), " ")
}
