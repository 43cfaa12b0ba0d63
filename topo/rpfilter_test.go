package topo

import (
	"net/netip"
	"testing"
)

func TestFiltersSource(t *testing.T) {
	outside, unknown := netip.MustParseAddr("198.18.0.5"), netip.MustParseAddr("203.0.113.1")
	for _, c := range []struct {
		name, sysctl, value string
		from                string
		source              netip.Addr
		want                bool
	}{
		{"off", "", "", "phone", outside, false},
		{"strict, by the other interface", "net.ipv4.conf.all.rp_filter", "1", "phone", outside, true},
		{"strict, by the right interface", "net.ipv4.conf.all.rp_filter", "1", "internet", outside, false},
		{"strict on that interface", "net.ipv4.conf.eth0.rp_filter", "1", "phone", outside, true},
		{"strict on another interface", "net.ipv4.conf.eth1.rp_filter", "1", "phone", outside, false},
		{"strict, from where no route leads", "net.ipv4.conf.all.rp_filter", "1", "internet", unknown, true},
		{"loose, by the other interface", "net.ipv4.conf.all.rp_filter", "2", "phone", outside, false},
		{"loose, from where no route leads", "net.ipv4.conf.all.rp_filter", "2", "internet", unknown, true},
		{"IPv6", "net.ipv4.conf.all.rp_filter", "1", "phone", netip.MustParseAddr("2001:db8:0:1::1"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			topology := natTopology()
			topology.Nodes[1].NAT = nil
			if c.sysctl != "" {
				topology.Nodes[1].Sysctls = []Sysctl{{Name: c.sysctl, Value: c.value}}
			}
			if got := mustPlan(t, topology).FiltersSource(1, c.from, c.source); got != c.want {
				t.Errorf("filters: %t, want %t", got, c.want)
			}
		})
	}
}
