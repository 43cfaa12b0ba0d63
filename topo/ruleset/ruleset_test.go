package ruleset_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
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
