package nft

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"testbed/topo/netns"
	"testbed/topo/netns/netnstest"
	"testbed/topo/sandbox"
)

// variants lists what versions of nft write differently, and the form that both
// texts are brought to.
var variants = []struct{ from, to string }{
	{`\t\tsize 65535\n`, ``}, // which nft adds to sets that rules add to
	{` burst 5 packets`, ``},
	{` with icmpx port-unreachable`, ``},
	{`tcp flags & \(fin \| syn \| rst \| ack\) == ([a-z |]+?) (ct|numgen|limit|counter)`, `tcp flags $1 / fin,syn,rst,ack $2`},
	{`tcp flags & \(fin \| syn \| rst \| ack \| ecn \| cwr\) == ([a-z |]+?) tcp`, `tcp flags $1 / fin,syn,rst,ack,ecn,cwr tcp`},
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
	sandbox.SkipOrFail(t, fmt.Errorf("no nft(8) to compare with: %w", err))
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
			ns := netnstest.Loopback(t)
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
			ns := netnstest.Loopback(t)
			cmd := exec.Command(nft, "-f", "-")
			text := unreadable.ReplaceAllString(r.String(), "")
			cmd.Stdin = strings.NewReader(text)
			var errs bytes.Buffer
			cmd.Stderr = &errs
			must(t, ns.Do(cmd.Start))
			if err := cmd.Wait(); err != nil {
				t.Fatalf("nft: %v: %s", err, errs.String())
			}
			want, got := normalise(text), normalise(list(t, nft, ns))
			if got != want {
				t.Errorf("nft makes\n%s\nof\n%s\n%s", got, want, firstDifference(got, want))
			}
		})
	}
}

// unreadable are the rules that nft lists as the kernel has them and does not
// read: a port that is a number, and more than one store in a rule.
var unreadable = regexp.MustCompile(`.*(numgen .* snat |update @.* update @|add @.* add @).*\n`)

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("first difference, line %d:\n%s\n%s", i+1, g[i], w[i])
		}
	}
	return "one is longer"
}
