package rtnl_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"testbed/topo"
	"testbed/topo/rtnl"
	"testbed/topo/sandbox"
)

// Each value is the one that is there, so that a write would succeed and change
// nothing.
func TestTheHostsSysctlsAreOutOfReach(t *testing.T) {
	host, err := os.ReadFile("/proc/sys/kernel/hostname")
	check(t, err)
	_, h := open(t)
	for _, name := range []string{
		"kernel.hostname", "net/../kernel/hostname", "net/../kernel.hostname", "net...kernel.hostname",
		"net/ipv4/tcp_syn_retries", "net.ipv4/tcp_syn_retries", ".net.ipv4.tcp_syn_retries", "net..ipv4.tcp_syn_retries", "net.", "net", "",
	} {
		value := "6"
		if strings.Contains(name, "hostname") {
			value = strings.TrimSpace(string(host))
		}
		var foreign *rtnl.ForeignSysctl
		if err := h.SetSysctls([]topo.Sysctl{{Name: name, Value: value, Optional: true}}); !errors.As(err, &foreign) {
			t.Errorf("set %q: %v, want a ForeignSysctl", name, err)
		}
		if v, err := h.Sysctl(name); !errors.As(err, &foreign) {
			t.Errorf("read %q: %q, %v, want a ForeignSysctl", name, v, err)
		}
	}
}

func TestAForeignSysctlKeepsTheOthersUnwritten(t *testing.T) {
	_, h := open(t)
	if err := h.SetSysctls([]topo.Sysctl{{Name: "net.ipv4.tcp_syn_retries", Value: "2"}, {Name: "kernel.panic", Value: "0"}}); err == nil {
		t.Error("kernel.panic was taken")
	}
	if v, err := h.Sysctl("net.ipv4.tcp_syn_retries"); v == "2" || err != nil {
		t.Errorf("tcp_syn_retries is %q (%v), though its list was refused", v, err)
	}
}

// Container runtimes mount /proc/sys read-only.
func TestAReadOnlyProcSysIsTheHostsLack(t *testing.T) {
	const proc = "/proc/sys"
	_, h := open(t)
	syn := topo.Sysctl{Name: "net.ipv4.tcp_syn_retries", Value: "2"}
	check(t, unix.Mount(proc, proc, "", unix.MS_BIND|unix.MS_REC, ""))
	defer unix.Unmount(proc, unix.MNT_DETACH)
	check(t, unix.Mount("", proc, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""))
	err := h.SetSysctls([]topo.Sysctl{syn})
	var missing *sandbox.Unavailable
	if !errors.As(err, &missing) || !errors.Is(err, unix.EROFS) {
		t.Fatalf("%v, want an Unavailable because of EROFS", err)
	}
	for _, part := range []string{missing.Missing, syn.Name, "--privileged"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not name %s", err, part)
		}
	}
	check(t, unix.Unmount(proc, unix.MNT_DETACH), h.SetSysctls([]topo.Sysctl{syn}))
}

// No host lets it be written, so that no remedy would help.
func TestAReadOnlySysctlIsNotTheHostsLack(t *testing.T) {
	_, h := open(t)
	err := h.SetSysctls([]topo.Sysctl{{Name: "net.ipv4.tcp_available_congestion_control", Value: "vegas"}})
	var missing *sandbox.Unavailable
	if errors.As(err, &missing) || !errors.Is(err, unix.EACCES) {
		t.Errorf("%v, want the kernel's EACCES, and no lack of the host", err)
	}
}

// A fresh namespace takes these over from the host; other values stand in for the
// host's here.
func TestNodesDoNotTakeTheHostsSysctlsOver(t *testing.T) {
	plan, err := topo.MakePlan(&topo.Topology{Nodes: []topo.Node{{Name: "client", Role: topo.Host}}})
	check(t, err)
	want := map[string]string{"net.ipv4.tcp_rmem": "4096\t131072\t6291456", "net.ipv4.tcp_wmem": "4096\t16384\t4194304", "net.ipv4.tcp_sack": "1", "net.ipv4.tcp_window_scaling": "1"}
	host := []topo.Sysctl{
		{Name: "net.ipv4.tcp_rmem", Value: "8192 87380 100000"}, {Name: "net.ipv4.tcp_wmem", Value: "8192 87380 100000"},
		{Name: "net.ipv4.tcp_sack", Value: "0"}, {Name: "net.ipv4.tcp_window_scaling", Value: "0"},
	}
	for _, of := range []string{"all", "default"} {
		for _, name := range []string{
			"accept_local", "arp_accept", "arp_announce", "arp_filter", "arp_ignore", "arp_notify",
			"ignore_routes_with_linkdown", "proxy_arp", "route_localnet", "rp_filter", "send_redirects",
		} {
			name = "net.ipv4.conf." + of + "." + name
			want[name], host = "0", append(host, topo.Sysctl{Name: name, Value: "1"})
		}
	}
	_, h := open(t)
	check(t, h.SetSysctls(host), h.SetSysctls(plan.Nodes[0].Pins))
	for name, value := range want {
		if got, err := h.Sysctl(name); got != value || err != nil {
			t.Errorf("%s is %q (%v), want %q", name, got, err, value)
		}
	}
}
