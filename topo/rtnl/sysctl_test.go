package rtnl_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"testbed/topo"
	"testbed/topo/rtnl"
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
