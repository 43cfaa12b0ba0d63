package ruleset_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"testbed/topo"
	"testbed/topo/netns"
	"testbed/topo/netns/netnstest"
	"testbed/topo/ruleset"
	"testbed/topo/sandbox"
)

func TestMain(m *testing.M) { sandbox.TestMain(m) }

// tool is a tool's path; the test is skipped where it is not installed, or fails if
// the environment requires it.
func tool(t *testing.T, which topo.Tool) string {
	t.Helper()
	path, err := ruleset.Find(which)
	sandbox.SkipOrFail(t, err)
	return path
}

// listed is what a command prints in a namespace.
func listed(t *testing.T, ns *netns.NS, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := ns.Do(cmd.Start); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%q: %v: %s", args, err, out.String())
	}
	return out.String()
}

const (
	nftText = `table inet mine {
	chain forward {
		type filter hook forward priority filter; policy drop;
		tcp dport 80 accept
	}
}
`
	iptablesText = `*filter
:FORWARD DROP [0:0]
-A FORWARD -p tcp -m tcp --dport 80 -m conntrack --ctstate NEW -j ACCEPT
COMMIT
`
)

func TestNftablesAreLoadedAndReplaced(t *testing.T) {
	nft, ns := tool(t, topo.Nftables), netnstest.Empty(t)
	for _, text := range []string{nftText, strings.Replace(nftText, "80", "81", 1), strings.TrimSuffix(nftText, "\n")} {
		if err := ruleset.Load(ns, []topo.Ruleset{{Tool: topo.Nftables, Text: text}}); err != nil {
			t.Fatal(err)
		}
		if got := listed(t, ns, nft, "list", "ruleset"); strings.TrimSpace(got) != strings.TrimSpace(text) {
			t.Errorf("nft lists\n%s\nwant\n%s", got, text)
		}
	}
	if err := ruleset.Load(ns, nil); err != nil {
		t.Fatal(err)
	}
	if got := listed(t, ns, nft, "list", "ruleset"); got != "" {
		t.Errorf("without a ruleset nft lists\n%s", got)
	}
}

func TestIptablesAreLoadedBesideNftables(t *testing.T) {
	nft, ns := tool(t, topo.Nftables), netnstest.Empty(t)
	save := strings.Replace(tool(t, topo.Iptables), "-restore", "-save", 1)
	both := []topo.Ruleset{{Tool: topo.Nftables, Text: nftText}, {Tool: topo.Iptables, Text: iptablesText}}
	for range 2 {
		if err := ruleset.Load(ns, both); err != nil {
			t.Fatal(err)
		}
		rule := strings.Split(iptablesText, "\n")[2]
		if got := listed(t, ns, save); strings.Count(got, rule) != 1 {
			t.Errorf("iptables-save prints\n%s\nwant once %s", got, rule)
		}
		if got := listed(t, ns, nft, "list", "table", "inet", "mine"); !strings.Contains(got, "dport 80") {
			t.Errorf("nft lists\n%s", got)
		}
	}
}

func TestARefusedRulesetSaysWhere(t *testing.T) {
	included := filepath.Join(t.TempDir(), "more.nft")
	if err := os.WriteFile(included, []byte("\ntable\nno such thing\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		ruleset topo.Ruleset
		want    []ruleset.Complaint
	}{
		{"two words misspelt", topo.Ruleset{Tool: topo.Nftables, Text: "table ip a {\n  chain b {\n    tcp dprt 80 drop\n    tcp dport 81 drp\n  }\n}"}, []ruleset.Complaint{
			{Line: 3, Column: 9, Message: "syntax error, unexpected string"},
			{Line: 4, Column: 21, Message: "syntax error, unexpected newline"},
		}},
		{"no such table", topo.Ruleset{Tool: topo.Nftables, Text: "add rule ip nosuch forward drop"}, []ruleset.Complaint{
			{Line: 1, Column: 13, Message: "Could not process rule: No such file or directory"},
		}},
		{"an unknown option", topo.Ruleset{Tool: topo.Iptables, Text: "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp --dprt 80 -j DROP\nCOMMIT\n"}, []ruleset.Complaint{
			{Line: 3, Message: `unknown option "--dprt"`},
		}},
		{"no such target", topo.Ruleset{Tool: topo.IP6tables, Text: "*filter\n-A INPUT -j NOPE\nCOMMIT\n"}, []ruleset.Complaint{
			{Line: 3, Message: "Chain 'NOPE' does not exist"}, // which shows only at COMMIT
		}},
		{"a mistake in an included file", topo.Ruleset{Tool: topo.Nftables, Text: "table ip a {\n}\ninclude \"" + included + "\""}, []ruleset.Complaint{
			{Line: 3, Column: 1, Message: "in the included file " + included + ", line 2: syntax error, unexpected newline, expecting string"},
		}},
		{"no end of a block", topo.Ruleset{Tool: topo.Nftables, Text: "table ip a {\n  chain b { # ä  \n\n"}, []ruleset.Complaint{
			{Line: 2, Column: 16, Message: "syntax error, unexpected end of file"},
		}},
		{"characters of several bytes", topo.Ruleset{Tool: topo.Nftables, Text: "table ip a { chain b { log prefix \"äöü\" nowhere; }; }"}, []ruleset.Complaint{
			{Line: 1, Column: 48, Message: "syntax error, unexpected semicolon"},
		}},
		{"a shell command", topo.Ruleset{Tool: topo.Iptables, Text: "iptables -A FORWARD -j DROP"}, []ruleset.Complaint{
			{Line: 1, Message: "iptables-restore refuses this line: it takes what iptables-save prints, *filter, rules such as -A FORWARD -j DROP, and COMMIT"},
		}},
		{"no COMMIT", topo.Ruleset{Tool: topo.Iptables, Text: "*filter\n-A INPUT -j DROP\n"}, []ruleset.Complaint{{Line: 2, Message: "COMMIT expected after this line"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tool(t, c.ruleset.Tool)
			err := ruleset.Load(netnstest.Empty(t), []topo.Ruleset{c.ruleset})
			var refused *ruleset.Invalid
			if !errors.As(err, &refused) {
				t.Fatalf("got %v, want *Invalid", err)
			}
			if !reflect.DeepEqual(refused.Complaints, c.want) {
				t.Errorf("complaints %+v, want %+v", refused.Complaints, c.want)
			}
		})
	}
}

// refused are the tools whose rulesets an error tells of, with the first message.
func refused(err error) (all []string) {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			all = append(all, refused(one)...)
		}
		return all
	}
	var invalid *ruleset.Invalid
	if !errors.As(err, &invalid) {
		return []string{err.Error()}
	}
	return []string{fmt.Sprintf("%s %d: %s", invalid.Ruleset.Tool, invalid.Complaints[0].Line, invalid.Complaints[0].Message)}
}

func TestRefusedRulesetsAreToldTogether(t *testing.T) {
	for _, which := range topo.Tools {
		tool(t, which)
	}
	err := ruleset.Load(netnstest.Empty(t), []topo.Ruleset{
		{Tool: topo.Nftables, Text: "table ip a {\n  chain b { drp; }\n}"},
		{Tool: topo.Iptables, Text: iptablesText},
		{Tool: topo.IP6tables, Text: "*filter\n-A INPUT -j NOPE\nCOMMIT\n"},
	})
	want := []string{"nftables 2: syntax error, unexpected semicolon", "ip6tables 3: Chain 'NOPE' does not exist"}
	if got := refused(err); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

func TestWhatNoTimeMakesRightIsFoundBefore(t *testing.T) {
	for _, which := range topo.Tools {
		tool(t, which)
	}
	const rule = "*filter\n-A INPUT %s -j DROP\nCOMMIT\n"
	for _, c := range []struct {
		tool       topo.Tool
		text, want string
	}{
		{topo.Nftables, "table ip a { chain b { drp; }; }", "nftables 1: syntax error, unexpected semicolon"},
		{topo.Iptables, fmt.Sprintf(rule, "-p tcp --dprt 80"), `iptables 2: unknown option "--dprt"`},
		{topo.Iptables, fmt.Sprintf(rule, "-p tcp 80"), "iptables 2: Bad argument `80'"},
		{topo.Iptables, "*filter\n-A INPUT -p tcp --dport\nCOMMIT\n", `iptables 2: option "--dport" requires an argument`},
		{topo.IP6tables, "*filter\n-A INPUT -j DROP\n", "ip6tables 2: COMMIT expected after this line"},
		// What follows are texts that something in the node, or on this machine, makes right.
		{topo.Nftables, "", ""},
		{topo.Nftables, nftText, ""},
		{topo.Nftables, "table ip a { chain b { type filter hook input priority 0; iif \"later\" drop; }; }", ""},
		{topo.Nftables, "table ip a { chain b { type filter hook output priority 0; skuid \"nobody-yet\" drop; }; }", ""},
		{topo.Nftables, "table ip a { chain b { ip saddr later drop; }; }", ""},
		{topo.Nftables, "include \"/nowhere/yet\"\ndrop; }; }", ""},
		{topo.Nftables, "add rule ip a b drop", ""},
		{topo.Iptables, iptablesText, ""},
		{topo.Iptables, fmt.Sprintf(rule, "-m set --match-set later src"), ""},
		{topo.Iptables, fmt.Sprintf(rule, "-p tcp --dport later"), ""},
		{topo.Iptables, fmt.Sprintf(rule, "-s later"), ""},
		{topo.IP6tables, "*filter\n-A OUTPUT -m owner --uid-owner nobody-yet -j DROP\nCOMMIT\n", ""},
	} {
		got := strings.Join(refused(ruleset.Check([]topo.Ruleset{{Tool: c.tool, Text: c.text}})), "; ")
		if got != c.want {
			t.Errorf("%s %q: told %q, want %q", c.tool, c.text, got, c.want)
		}
	}
}
