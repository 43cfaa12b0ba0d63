package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	. "github.com/onsi/gomega"
)

// snapshot is what a run could leave on the host.
type snapshot struct {
	host host
	// program are the processes that run the built binary, and namespaces the
	// network namespaces of those and of what else was started by them.
	program, namespaces []string
}

// host is what belongs to the host alone.
type host struct{ interfaces, mounts, named, sysctls string }

func takeSnapshot() (s snapshot) {
	for _, pid := range processes() {
		exe, _ := os.Readlink(filepath.Join("/proc", pid, "exe"))
		env, _ := os.ReadFile(filepath.Join("/proc", pid, "environ"))
		if exe != program && !strings.Contains(string(env), "TESTBED_E2E=") {
			continue
		}
		s.program = append(s.program, pid)
		ns, _ := os.Readlink(filepath.Join("/proc", pid, "ns/net"))
		s.namespaces = append(s.namespaces, ns)
	}
	s.host.interfaces = listing("/sys/class/net")
	s.host.named = listing("/run/netns")
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	Expect(err).NotTo(HaveOccurred())
	s.host.mounts = string(mounts)
	forward, _ := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
	retries, _ := os.ReadFile("/proc/sys/net/ipv4/tcp_syn_retries")
	s.host.sysctls = string(forward) + string(retries)
	return s
}

// listing are the names in a folder, if it is there.
func listing(dir string) string {
	entries, _ := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// processes are the ids of all.
func processes() (pids []string) {
	entries, err := os.ReadDir("/proc")
	Expect(err).NotTo(HaveOccurred())
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, e.Name())
		}
	}
	return pids
}

// child is the id of a process's child in a pid namespace of its own, 0 if it has
// none yet.
func child(parent int) int {
	own, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", parent))
	for _, pid := range processes() {
		status, _ := os.ReadFile(filepath.Join("/proc", pid, "status"))
		if !strings.Contains(string(status), fmt.Sprintf("\nPPid:\t%d\n", parent)) {
			continue
		}
		if ns, err := os.Readlink(filepath.Join("/proc", pid, "ns/pid")); err == nil && ns != own {
			n, _ := strconv.Atoi(pid)
			return n
		}
	}
	return 0
}
