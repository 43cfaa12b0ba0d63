package nft

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"testbed/topo"
)

var update = flag.Bool("update", false, "write the golden files")

func TestStringIsTheGoldenText(t *testing.T) {
	t.Parallel()
	for _, c := range rulesetCases() {
		r, err := Compile(&c.node, caseNames())
		must(t, err)
		golden := filepath.Join("testdata", c.name+".nft")
		if *update {
			must(t, os.WriteFile(golden, []byte(r.String()), 0o644))
		}
		want, err := os.ReadFile(golden)
		must(t, err)
		if got := r.String(); got != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s\n%s", c.name, got, want, firstDifference(got, string(want)))
		}
	}
}

func TestCompileRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	drop := func(m topo.Match) topo.Rule { return topo.Rule{Name: "x", Match: m, Action: topo.DropPacket} }
	web := topo.PortRange{First: 80, Last: 80}
	for _, c := range []struct {
		rule topo.Rule
		want string
	}{
		{topo.Rule{Action: topo.Accept}, "no name"},
		{topo.Rule{Name: strings.Repeat("x", 128), Action: topo.Accept}, "longer than 127 bytes"},
		{topo.Rule{Name: `say "no"`, Action: topo.Accept}, "quotes"},
		{topo.Rule{Name: "nat:mine", Action: topo.Accept}, "the NAT's own"},
		{topo.Rule{Name: "x"}, `action "" is none of`},
		{topo.Rule{Name: "x", Hook: "ingress", Action: topo.Accept}, `hook "ingress"`},
		{topo.Rule{Name: "x", Action: topo.Reject, With: "shrug"}, `reject with "shrug"`},
		{topo.Rule{Name: "x", Action: topo.DropPacket, With: topo.TCPReset}, "only reject answers"},
		{topo.Rule{Name: "x", Action: topo.Reject, With: topo.TCPReset, Match: topo.Match{Proto: "udp"}}, "are TCP's"},
		{topo.Rule{Name: "x", Hook: topo.Output, Action: topo.Accept, Match: topo.Match{In: "client"}}, "no such interface"},
		{topo.Rule{Name: "x", Hook: topo.Input, Action: topo.Accept, Match: topo.Match{Out: "client"}}, "no such interface"},
		{topo.Rule{Name: "x", Action: topo.ClampMSS, Hook: topo.Input}, "on no route"},
		{topo.Rule{Name: "x", Action: topo.ClampMSS, Match: topo.Match{Proto: "udp"}}, "clamp-mss, strip and synproxy are TCP's"},
		{topo.Rule{Name: "x", Action: topo.Strip}, "no options"},
		{topo.Rule{Name: "x", Action: topo.Strip, Options: []topo.TCPOption{"md5"}}, `"md5" is no option`},
		{topo.Rule{Name: "x", Action: topo.Synproxy}, "synproxy: no options"},
		{topo.Rule{Name: "x", Action: topo.Synproxy, Proxy: &topo.DefaultProxy, Match: topo.Match{To: "fd00::/8"}}, "for IPv4 alone"},
		{drop(topo.Match{Proto: "sctp"}), `"sctp" is none of`},
		{drop(topo.Match{Proto: "udp", Flags: topo.SYN}), "TCP's"},
		{drop(topo.Match{Flags: topo.PSH}), "only SYN, ACK, FIN and RST"},
		{drop(topo.Match{Proto: "icmp", Dport: web}), "icmp has no ports"},
		{drop(topo.Match{Dport: topo.PortRange{First: 9, Last: 8}}), "9-8 is no range"},
		{drop(topo.Match{From: "nobody"}), `"nobody" is neither a node nor a prefix`},
		{drop(topo.Match{From: "10.0.0.0/8", To: "fd00::/8"}), "no address family has both"},
		{drop(topo.Match{In: "nobody"}), `no link to "nobody"`},
		{drop(topo.Match{State: "fresh"}), `"fresh" is none of`},
		{drop(topo.Match{Nth: -1}), "nth: -1"},
		{drop(topo.Match{Probability: 1.5}), "probability: 1.5"},
		{drop(topo.Match{Rate: topo.Rate{Packets: 1, Per: "fortnight"}}), `"fortnight" is none of`},
		{drop(topo.Match{Rate: topo.Rate{Per: "second"}}), "no packets"},
	} {
		_, err := Compile(&topo.Node{Name: "fw", Role: topo.Router, Firewall: []topo.Rule{c.rule}}, caseNames())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want an error with %q", c.rule, err, c.want)
		}
	}
}

func TestCompileTellsAllMistakes(t *testing.T) {
	t.Parallel()
	node := &topo.Node{
		Name: "fw", Role: topo.Router,
		Firewall: []topo.Rule{
			{Name: "twice", Action: topo.Accept}, {Name: "twice", Action: topo.Accept},
			{Name: "far", Action: topo.Accept, Match: topo.Match{In: "nobody", From: "nowhere"}},
		},
		NAT: &topo.NAT{Outside: "beyond"},
	}
	_, err := Compile(node, caseNames())
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{`node fw: `, `"twice": another rule`, `no link to "nobody"`, `"nowhere" is neither`, `nat outside: no link to "beyond"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	node = &topo.Node{Name: "fw", NAT: &topo.NAT{Outside: "server", Forward: []topo.PortForward{{Port: 80, Node: "nobody"}}}}
	if _, err := Compile(node, caseNames()); err == nil || !strings.Contains(err.Error(), `no address of "nobody"`) {
		t.Errorf("forward to nobody: %v", err)
	}
}

func TestRangesMergeAsNftDoes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ prefixes, want string }{
		{"10.0.0.1/32", "10.0.0.1"},
		{"10.0.0.7/24", "10.0.0.0/24"},
		{"10.0.0.4/30 10.0.0.0/30", "10.0.0.0/29"},
		{"10.0.0.0/30 10.0.0.4/30 10.0.0.8/30", "10.0.0.0-10.0.0.11"},
		{"10.0.0.0/8 10.1.0.0/16 10.0.0.1/32", "10.0.0.0/8"},
		{"10.0.0.1/32 10.0.0.3/32 10.0.0.1/32", "10.0.0.1 10.0.0.3"},
		{"255.255.255.255/32 255.255.255.0/24", "255.255.255.0/24"},
		{"0.0.0.0/1 128.0.0.0/1", "0.0.0.0/0"},
		{"fd00::/64 fd00:0:0:1::/64 fd00::1/128", "fd00::/63"},
		{"ffff::/16 ::/0", "::/0"},
		{"::ffff:10.0.0.1/128", "10.0.0.1"},
	} {
		var prefixes []netip.Prefix
		for _, p := range strings.Fields(c.prefixes) {
			prefixes = append(prefixes, netip.MustParsePrefix(p))
		}
		var got []string
		for _, rs := range rangesOf(prefixes) {
			for _, r := range rs {
				got = append(got, r.String())
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %v, want %s", c.prefixes, got, c.want)
		}
	}
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
	return append(natCases(), []rulesetCase{
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
			m(topo.Match{Rate: topo.Rate{Packets: 10, Per: "second"}}), m(topo.Match{Rate: topo.Rate{Packets: 1, Per: "day", Burst: 1}}),
			m(topo.Match{Proto: "tcp", State: "new", Probability: 0.5, Rate: topo.Rate{Packets: 3, Per: "minute"}, Nth: 7}))},
		{"actions", router(topo.Rule{Action: topo.Accept}, topo.Rule{Action: topo.Reject}, topo.Rule{Action: topo.Reject, With: topo.TCPReset},
			topo.Rule{Action: topo.Reject, With: topo.PortUnreachable}, topo.Rule{Action: topo.Reject, With: topo.HostUnreachable},
			topo.Rule{Action: topo.Reject, With: topo.NetUnreachable}, topo.Rule{Action: topo.Reject, With: topo.AdminProhibited})},
		{"rewriting", router(
			topo.Rule{Action: topo.ClampMSS}, topo.Rule{Action: topo.ClampMSS, MSS: 1340, Match: topo.Match{Flags: topo.SYN}},
			topo.Rule{Action: topo.Strip, Options: topo.TCPOptions, Match: topo.Match{From: "client"}},
			topo.Rule{Action: topo.Strip, Options: []topo.TCPOption{topo.OptionTimestamps}},
			topo.Rule{Action: topo.BleachECN, Match: topo.Match{From: "client", Nth: 2}},
			topo.Rule{Action: topo.ClampMSS, MSS: 536, Hook: topo.Input})},
		{"synproxy", router(
			topo.Rule{Action: topo.Synproxy, Proxy: &topo.DefaultProxy, Match: topo.Match{Proto: "tcp", Dport: topo.PortRange{First: 80, Last: 80}, To: "server", In: "client"}},
			topo.Rule{Action: topo.Synproxy, Proxy: &topo.Proxy{MSS: 536}, Hook: topo.Input})},
		{"flows", topo.Node{Name: "router", Role: topo.Router, Flows: 2}},
		{"nat", nat},
		{"nothing", topo.Node{Name: "router"}},
	}...)
}
