package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	agentexec "testbed/agents/exec"
	"testbed/agents/raw"
	"testbed/netem/qdisc"
	"testbed/netem/wire"
	"testbed/observe/capture"
	"testbed/observe/kernel"
	"testbed/topo"
	"testbed/topo/netns"
	"testbed/topo/nft"
	"testbed/topo/rtnl"
	"testbed/topo/ruleset"
	"testbed/topo/sandbox"
	linux "testbed/vm/kernel"
	"testbed/vm/qemu"
)

// inKernel is what to do about a feature that the kernel was built without.
func inKernel(options string) string {
	return "Load the module or use a kernel built with " + options + "; most distributions' kernels are."
}

// probe tries every feature in a namespace of its own.
func probe() []finding {
	return append([]finding{
		{name: "veth", purpose: "the links between nodes", required: true, err: tryVeth(), remedy: inKernel("CONFIG_VETH")},
		{name: "packet sockets", purpose: "the user-space wire, and the capture", required: true, err: tryPackets(), remedy: inKernel("CONFIG_PACKET") + " As root in a container, CAP_NET_RAW is needed."},
		{name: "raw sockets", purpose: "scan and flood steps", err: tryRaw(), remedy: "A container may forbid them: run it with --cap-add NET_RAW, or --privileged."},
		{name: "SYN cookies", purpose: "net.ipv4.tcp_syncookies", err: trySysctl("net.ipv4.tcp_syncookies"), remedy: inKernel("CONFIG_SYN_COOKIES")},
		{name: "IPv6", purpose: "steps with family: ipv6", required: true, err: trySysctl("net.ipv6.conf.all.forwarding"), remedy: inKernel("CONFIG_IPV6") + " The boot option ipv6.disable=1 must not be set."},
		{name: "writable sysctls", purpose: "the same TCP on every host", required: true, err: trySetSysctl(), remedy: "In a container, /proc/sys must not be mounted read-only: docker run --privileged, or --security-opt systempaths=unconfined."},
		{name: "programs in nodes", purpose: "exec steps: mounts and a host name of a program's own", required: true, err: tryPrograms(), remedy: agentexec.Remedy},
		{name: "congestion control cubic", purpose: "the same TCP on every host", required: true, err: tryCongestionControl(), remedy: inKernel("CONFIG_TCP_CONG_CUBIC") + " (modprobe tcp_cubic)"},
		{name: "linear SYN timeouts", purpose: "the sysctl tcp_syn_linear_timeouts (Linux 6.5)", err: trySysctl("net.ipv4.tcp_syn_linear_timeouts"), remedy: "Without it SYNs are sent again after 1, 3, 7 s …; a scenario can say net.ipv4.tcp_syn_linear_timeouts? to run on both."},
		{name: "state tracepoint", purpose: "TCP states as the sockets enter them", err: tryTracepoint(), remedy: "Without it states are derived from the packets, and the report says so. Run testbed as root to have it."},
		{name: "view of sockets", purpose: "close: until, exec: ready, transfer", err: trySockets(), remedy: inKernel("CONFIG_INET_DIAG") + " (modprobe tcp_diag)"},
		netemFinding(),
		virtualClockFinding(),
		{name: "high priority", purpose: "delays that are exact while the session is busy", err: tryPriority(), remedy: "Without it a busy machine delivers frames up to some milliseconds late. Run testbed as root, or allow it: ulimit -e 40."},
	}, slices.Concat(probeRules(), findTools())...)
}

// netemFinding looks for the kernel's netem.
func netemFinding() finding {
	f := finding{name: "kernel netem", purpose: "links carried by the kernel (--links=kernel)"}
	seeds, err := qdisc.Supported()
	var missing *sandbox.Unavailable
	switch {
	case errors.As(err, &missing):
		f.err, f.remedy = missing.Err, missing.Remedy
	case err != nil:
		f.err = err
	case !seeds:
		f.detail = "It takes no seed (Linux 6.6), so that --links=auto leaves what is left to chance to the wire."
	}
	return f
}

// virtualClockFinding looks for QEMU and for kernels that it can boot.
func virtualClockFinding() finding {
	f := finding{name: "virtual clock", purpose: "--clock=virtual: a guest that jumps over idle time"}
	emulator, err := qemu.Find()
	if err != nil {
		f.err = err
		var missing *sandbox.Unavailable
		if errors.As(err, &missing) {
			f.remedy = missing.Remedy
		}
		return f
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	version, err := emulator.Version(ctx)
	if err != nil {
		f.err, f.remedy = err, "Install QEMU's system emulator for x86-64 anew."
		return f
	}
	k, err := linux.Find("")
	if err == nil {
		var lacks []string
		if lacks, err = k.Lacks(linux.Required...); err == nil && len(lacks) > 0 {
			err = fmt.Errorf("kernel %s lacks %s", k.Release, strings.Join(lacks, ", "))
		}
	}
	if err != nil {
		f.err, f.remedy = errors.New(strings.SplitN(err.Error(), "\n", 2)[0]), "Get one: testbed kernel fetch 6.12"
		return f
	}
	f.detail = fmt.Sprintf("%s, with Linux %s", version, k.Release)
	return f
}

// rulesProbe is a rule, or a NAT, that some scenarios need.
type rulesProbe struct {
	name, purpose, options string
	rule                   topo.Rule
	nat                    *topo.NAT
}

// required tells whether a kernel without it runs few scenarios.
func (r rulesProbe) required() bool {
	return r.rule.Action != topo.Strip && r.rule.Action != topo.Synproxy && (r.nat == nil || r.nat.Mapping == "")
}

// probeRules tries what firewalls and NAT are made of, one rule at a time.
func probeRules() (found []finding) {
	for _, r := range []rulesProbe{
		{"nftables", "firewalls", "CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET", topo.Rule{Match: topo.Match{Proto: "tcp"}, Action: topo.DropPacket}, nil},
		{"nftables reject", "action: reject", "CONFIG_NFT_REJECT, CONFIG_NFT_REJECT_INET", topo.Rule{Action: topo.Reject, With: topo.PortUnreachable}, nil},
		{"nftables conntrack", "match: state", "CONFIG_NFT_CT, CONFIG_NF_CONNTRACK", topo.Rule{Match: topo.Match{State: "invalid"}, Action: topo.DropPacket}, nil},
		{"nftables numgen", "match: nth, probability", "CONFIG_NFT_NUMGEN", topo.Rule{Match: topo.Match{Nth: 1}, Action: topo.DropPacket}, nil},
		{"nftables limit", "match: rate", "CONFIG_NFT_LIMIT", topo.Rule{Match: topo.Match{Rate: topo.Rate{Packets: 1, Per: "second"}}, Action: topo.Accept}, nil},
		{"nftables TCP options", "action: strip, clamp-mss", "CONFIG_NF_TABLES of Linux 5.18 or later", topo.Rule{Action: topo.Strip, Options: []topo.TCPOption{topo.OptionTimestamps}}, nil},
		{"nftables synproxy", "action: synproxy", "CONFIG_NFT_SYNPROXY", topo.Rule{Action: topo.Synproxy, Proxy: &topo.DefaultProxy}, nil},
		{"nftables NAT", "nat", "CONFIG_NFT_NAT, CONFIG_NF_NAT", topo.Rule{}, &topo.NAT{}},
		{"nftables NAT maps", "nat: mapping, filtering, ports, hairpin", "CONFIG_NFT_SOCKET, CONFIG_NFT_NUMGEN", topo.Rule{}, &topo.NAT{
			Mapping: topo.EndpointIndependent, Filtering: topo.AddressDependent, Ports: topo.DefaultPorts,
		}},
	} {
		found = append(found, finding{name: r.name, purpose: r.purpose, required: r.required(), err: tryRules(r.rule, r.nat), remedy: inKernel(r.options)})
	}
	return append(found, finding{name: "conntrack flush", purpose: "set: flush: nat", err: tryFlush(), remedy: inKernel("CONFIG_NF_CT_NETLINK") + " (modprobe nf_conntrack_netlink)"})
}

// findTools looks for the programs that load rulesets in their own languages.
func findTools() (found []finding) {
	for _, tool := range topo.Tools {
		f := finding{name: tool.Program(), purpose: fmt.Sprintf("nodes with %s: rulesets in its own language", tool)}
		path, err := ruleset.Find(tool)
		var missing *sandbox.Unavailable
		if errors.As(err, &missing) {
			f.remedy = missing.Remedy
		}
		f.detail, f.err = path, err
		found = append(found, f)
	}
	return found
}

// inFresh runs f with a fresh namespace and its handle.
func inFresh(f func(*netns.NS, *rtnl.Handle) error) error {
	ns, err := netns.New()
	if err != nil {
		return err
	}
	defer ns.Close()
	h, err := rtnl.Open(ns)
	if err != nil {
		return err
	}
	defer h.Close()
	return f(ns, h)
}

// link is what the probes make: one end of a veth pair.
var link = topo.Interface{
	Name: "eth0", MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1},
	Addresses: []netip.Prefix{netip.MustParsePrefix("198.18.0.1/30")},
}

func tryVeth() error {
	return inFresh(func(ns *netns.NS, h *rtnl.Handle) error { return h.AddVeth("l0a", ns, &link, topo.DefaultMTU) })
}

func tryPackets() error {
	return inFresh(func(ns *netns.NS, _ *rtnl.Handle) error {
		c, err := capture.Open(ns, capture.Options{})
		if err != nil {
			return err
		}
		w, err := wire.New(ns, wire.Options{})
		if err != nil {
			return errors.Join(err, c.Close())
		}
		return errors.Join(w.Close(), c.Close())
	})
}

// tryRaw opens the sockets of scans and floods.
func tryRaw() error {
	return inFresh(func(ns *netns.NS, _ *rtnl.Handle) error {
		for _, v4 := range []bool{true, false} {
			s, err := raw.NewSender(ns, v4)
			var missing *sandbox.Unavailable
			switch {
			case errors.As(err, &missing):
				return missing.Err
			case err != nil:
				return err
			}
			if err := s.Close(); err != nil {
				return err
			}
		}
		return nil
	})
}

func trySysctl(name string) error {
	return inFresh(func(_ *netns.NS, h *rtnl.Handle) error {
		_, err := h.Sysctl(name)
		return err
	})
}

// trySetSysctl writes a sysctl twice, so that one of the values is new to it.
func trySetSysctl() error {
	return inFresh(func(_ *netns.NS, h *rtnl.Handle) error {
		const name = "net.ipv4.tcp_syn_retries"
		return h.SetSysctls([]topo.Sysctl{{Name: name, Value: "5"}, {Name: name, Value: "6"}})
	})
}

func tryPrograms() error {
	return inFresh(func(ns *netns.NS, _ *rtnl.Handle) error {
		return agentexec.Furnish(agentexec.Node{NS: ns, Name: "probe"})
	})
}

func tryCongestionControl() error {
	return inFresh(func(ns *netns.NS, h *rtnl.Handle) error {
		n := &topo.PlanNode{Interfaces: []topo.Interface{link}, Routes: []topo.PlanRoute{{To: netip.MustParsePrefix("198.18.0.0/30"), Kind: topo.Unicast}}}
		return errors.Join(
			h.AddVeth("l0a", ns, &link, topo.DefaultMTU), h.AddAddresses(&link), h.SetUp(link.Name, true),
			h.ReplaceRoutes(n, func(int) bool { return false }, topo.DefaultCongestionControl))
	})
}

func tryTracepoint() error {
	t, err := kernel.Open()
	if err != nil {
		return err
	}
	return t.Close()
}

func trySockets() error {
	return inFresh(func(ns *netns.NS, _ *rtnl.Handle) error {
		s, err := kernel.OpenSockets(ns)
		if err != nil {
			return err
		}
		return s.Close()
	})
}

// tryFlush has conntrack forget what it does not know.
func tryFlush() error {
	return inFresh(func(ns *netns.NS, _ *rtnl.Handle) error {
		h, err := nft.Open(ns)
		if err != nil {
			return err
		}
		return errors.Join(h.FlushFlows(), h.Close())
	})
}

// tryPriority asks for the most favourable nice value of a thread that then ends.
func tryPriority() error {
	return inFresh(func(ns *netns.NS, _ *rtnl.Handle) error {
		return ns.Do(func() error {
			if err := unix.Setpriority(unix.PRIO_PROCESS, 0, -20); err != nil {
				return fmt.Errorf("use nice value -20: %w", err)
			}
			return nil
		})
	})
}

// tryRules applies a firewall of one rule, or a NAT.
func tryRules(rule topo.Rule, nat *topo.NAT) error {
	return inFresh(func(ns *netns.NS, _ *rtnl.Handle) error {
		node := &topo.Node{Name: "probe", Role: topo.Router}
		if nat != nil {
			nat.Outside, node.NAT = "peer", nat
		} else {
			rule.Name, rule.Hook = "probe", topo.Forward
			node.Firewall = []topo.Rule{rule}
		}
		rules, err := nft.Compile(node, nft.Names{
			Interface: map[string]string{"peer": "eth0"},
			Own:       map[string][]netip.Prefix{"peer": {netip.MustParsePrefix("198.18.0.1/30"), netip.MustParsePrefix("2001:db8::1/64")}},
		})
		if err != nil {
			return err
		}
		h, err := nft.Open(ns)
		if err != nil {
			return err
		}
		return errors.Join(h.Apply(rules), h.Close())
	})
}
