package index_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"testbed/scenarios/index"
)

func all(t *testing.T) []index.Section {
	t.Helper()
	s, err := index.All()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The page in the repository is what the program writes:
//
//	go run ./cmd/testbed list --markdown > scenarios/README.md
func TestPageIsCurrent(t *testing.T) {
	want, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := index.Markdown(&b, all(t)); err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Error("scenarios/README.md is not current: go run ./cmd/testbed list --markdown > scenarios/README.md")
	}
}

func TestSelect(t *testing.T) {
	for _, c := range []struct {
		words      []string
		with, sans string
	}{
		{[]string{"firewall-drop"}, "firewall-drop", "keepalive"},
		{[]string{"EHOSTUNREACH", "arp"}, "no-such-host", "no-route"},
		{[]string{"hours in seconds", "keepalive", "five hours"}, "nat-keepalive", "keepalive"},
		{[]string{"firewall-drop", "no such word"}, "", "firewall-drop"},
		{[]string{"hang"}, "mtu-black-hole", "firewall-drop"}, // which names changes
		{[]string{"backlog"}, "syn-flood", "firewall-drop"},
		{nil, "keepalive", ""},
	} {
		var names []string
		for _, s := range index.Select(all(t), c.words) {
			for _, e := range s.Entries {
				names = append(names, e.Name)
			}
		}
		if c.with != "" && !slices.Contains(names, c.with) || slices.Contains(names, c.sans) {
			t.Errorf("%q selects %q; expected %q and not %q", c.words, names, c.with, c.sans)
		}
	}
}

func TestNearest(t *testing.T) {
	names, nowhere := index.Nearest(all(t), []string{"qqq", "ssh", "hangs", "no-word"})
	if !slices.Equal(names, []string{"mtu-black-hole"}) || !slices.Equal(nowhere, []string{"qqq", "no-word"}) {
		t.Errorf("nearest are %q, and %q are in none", names, nowhere)
	}
	if names, nowhere := index.Nearest(all(t), []string{"qqq"}); names != nil || len(nowhere) != 1 {
		t.Errorf("nearest to what is in none are %q (%q)", names, nowhere)
	}
}

func TestFind(t *testing.T) {
	for _, name := range []string{"keepalive", "keepalive.yaml", "slow/keepalive.yaml", "slow/keepalive"} {
		if e, _ := index.Find(all(t), name); e == nil || e.Path != "slow/keepalive.yaml" || !e.Virtual || len(e.Source) == 0 {
			t.Errorf("%s: found %+v", name, e)
		}
	}
	if e, names := index.Find(all(t), "keepalive2"); e != nil || len(names) < 20 {
		t.Errorf("found %+v among %q", e, names)
	}
}
