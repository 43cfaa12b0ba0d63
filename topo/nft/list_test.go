package nft

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"testbed/topo"
	"testbed/topo/netns"
	"testbed/topo/sandbox"
)

// variants lists what versions of nft write differently, and the form that both
// texts are brought to.
var variants = []struct{ from, to string }{
	{` burst 5 packets`, ``},
	{` with icmpx port-unreachable`, ``},
	{`tcp flags & \(fin \| syn \| rst \| ack\) == ([a-z |]+?) (ct|numgen|limit|counter)`, `tcp flags $1 / fin,syn,rst,ack $2`},
	{` \| `, `,`},
}

func normalise(text string) string {
	for _, v := range variants {
		text = regexp.MustCompile(v.from).ReplaceAllString(text, v.to)
	}
	return text
}

// command is the path of nft(8); the test is skipped where there is none, or
// fails if the environment requires it.
func command(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("nft")
	if err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin/nft", "/sbin/nft"} {
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
	}
	if os.Getenv(sandbox.RequireEnv) != "" {
		t.Fatalf("nft(8) is required: %v", err)
	}
	t.Skipf("no nft(8) to compare with: %v", err)
	return ""
}

// list is what nft shows of a namespace.
func list(t *testing.T, nft string, ns *netns.NS) string {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(nft, "-s", "list", "ruleset")
	cmd.Stdout, cmd.Stderr = &out, &errs
	must(t, ns.Do(cmd.Start))
	if err := cmd.Wait(); err != nil {
		t.Fatalf("nft: %v: %s", err, errs.String())
	}
	return out.String()
}

func TestNftListsWhatStringSays(t *testing.T) {
	t.Parallel()
	nft := command(t)
	for _, c := range rulesetCases() {
		t.Run(c.name, func(t *testing.T) {
			ns := newNS(t)
			h, err := Open(ns)
			must(t, err)
			defer h.Close()
			r, err := Compile(&c.node, caseNames())
			must(t, err)
			must(t, h.Apply(r))
			want, got := normalise(r.String()), normalise(list(t, nft, ns))
			if got != want {
				t.Errorf("nft lists\n%s\nwant\n%s\n%s", got, want, firstDifference(got, want))
			}
		})
	}
}

// TestNftReadsWhatStringSays gives nft the text, and compares what it makes of
// it with what Apply does.
func TestNftReadsWhatStringSays(t *testing.T) {
	t.Parallel()
	nft := command(t)
	for _, c := range rulesetCases() {
		t.Run(c.name, func(t *testing.T) {
			r, err := Compile(&c.node, caseNames())
			must(t, err)
			ns := newNS(t)
			cmd := exec.Command(nft, "-f", "-")
			cmd.Stdin = strings.NewReader(r.String())
			var errs bytes.Buffer
			cmd.Stderr = &errs
			must(t, ns.Do(cmd.Start))
			if err := cmd.Wait(); err != nil {
				t.Fatalf("nft: %v: %s", err, errs.String())
			}
			want, got := normalise(r.String()), normalise(list(t, nft, ns))
			if got != want {
				t.Errorf("nft makes\n%s\nof\n%s\n%s", got, want, firstDifference(got, want))
			}
		})
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("first difference, line %d:\n%s\n%s", i+1, g[i], w[i])
		}
	}
	return "one is longer"
}

// caseNames are those of a router with two neighbours and a multi-homed node.
func caseNames() Names {
	n := testNames()
	for _, a := range []string{"198.18.0.6", "198.18.0.10", "2001:db8:1::1", "2001:db8:2::1"} {
		n.Addresses["far"] = append(n.Addresses["far"], netip.MustParseAddr(a))
	}
	for _, p := range []string{"10.0.0.4/30", "10.0.0.8/30", "10.0.1.0/24", "fd00:0:1::/64", "fd00:0:7::/64"} {
		n.Inside = append(n.Inside, netip.MustParsePrefix(p))
	}
	return n
}

type rulesetCase struct {
	name string
	node topo.Node
}

func rulesetCases() []rulesetCase {
	router := func(rules ...topo.Rule) topo.Node {
		for i := range rules {
			if rules[i].Name == "" {
				rules[i].Name = fmt.Sprintf("r%d", i+1)
			}
			if rules[i].Action == "" {
				rules[i].Action = topo.DropPacket
			}
		}
		return topo.Node{Name: "router", Role: topo.Router, Firewall: rules}
	}
	m := func(m topo.Match) topo.Rule { return topo.Rule{Match: m} }
	nat := router()
	nat.NAT = &topo.NAT{Outside: "server", Forward: []topo.PortForward{{Port: 80, Node: "client", ToPort: 8080}, {Port: 22, Node: "client"}}}
	return []rulesetCase{
		{"block-web", router(topo.Rule{Name: "block-web", Match: topo.Match{Proto: "tcp", Dport: topo.PortRange{First: 80, Last: 80}}})},
		{"protocols", router(m(topo.Match{Proto: "tcp"}), m(topo.Match{Proto: "udp"}), m(topo.Match{Proto: "icmp"}), m(topo.Match{Proto: "icmpv6"}), m(topo.Match{}))},
		{"ports", router(
			m(topo.Match{Dport: topo.PortRange{First: 53, Last: 53}}),
			m(topo.Match{Proto: "udp", Sport: topo.PortRange{First: 1024, Last: 65535}, Dport: topo.PortRange{First: 20, Last: 25}}),
		)},
		{"flags", router(
			m(topo.Match{Flags: topo.SYN}), m(topo.Match{Flags: topo.SYN | topo.ACK, Proto: "tcp", Dport: topo.PortRange{First: 80, Last: 80}}),
			m(topo.Match{Flags: topo.ACK}), m(topo.Match{Flags: topo.RST}), m(topo.Match{Flags: topo.FIN | topo.ACK}),
		)},
		{"addresses", router(
			m(topo.Match{From: "client"}), m(topo.Match{To: "far", Proto: "tcp", Nth: 2}), m(topo.Match{From: "client", To: "2001:db8::/32"}),
			m(topo.Match{From: "10.0.0.0/8"}), m(topo.Match{From: "10.128.0.0/9", To: "198.18.0.0/15"}), m(topo.Match{To: "0.0.0.0/0"}),
			m(topo.Match{From: "::/0", To: "server"}), m(topo.Match{To: "fd00::/8", Proto: "icmpv6"}), m(topo.Match{To: "198.18.0.0/31", Proto: "icmp"}),
			m(topo.Match{To: "router"}),
		)},
		{"interfaces", router(m(topo.Match{In: "client", Out: "server", Proto: "tcp"}),
			topo.Rule{Hook: topo.Input, Match: topo.Match{In: "client", From: "client"}},
			topo.Rule{Hook: topo.Output, Match: topo.Match{Out: "client", Proto: "udp"}})},
		{"states", router(m(topo.Match{State: "new"}), m(topo.Match{State: "established"}), m(topo.Match{State: "related"}), m(topo.Match{State: "invalid", Proto: "tcp"}))},
		{"counting", router(m(topo.Match{Nth: 1}), m(topo.Match{Probability: 0.25}), m(topo.Match{Probability: 1}),
			m(topo.Match{Rate: topo.Rate{Packets: 10, Per: "second"}}), m(topo.Match{Rate: topo.Rate{Packets: 1, Per: "day"}}),
			m(topo.Match{Proto: "tcp", State: "new", Probability: 0.5, Rate: topo.Rate{Packets: 3, Per: "minute"}, Nth: 7}))},
		{"actions", router(topo.Rule{Action: topo.Accept}, topo.Rule{Action: topo.Reject}, topo.Rule{Action: topo.Reject, With: topo.TCPReset},
			topo.Rule{Action: topo.Reject, With: topo.PortUnreachable}, topo.Rule{Action: topo.Reject, With: topo.HostUnreachable},
			topo.Rule{Action: topo.Reject, With: topo.NetUnreachable}, topo.Rule{Action: topo.Reject, With: topo.AdminProhibited})},
		{"nat", nat},
		{"nothing", topo.Node{Name: "router"}},
	}
}
