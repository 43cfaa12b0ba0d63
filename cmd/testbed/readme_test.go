package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The scenario that the README shows is the one whose run it shows, and the commands
// and flags that it names are there.
func TestTheREADMEIsTrue(t *testing.T) {
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(b)
	scenario, err := os.ReadFile("../../scenarios/firewall-drop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(readme, "```yaml\n"+string(scenario)+"```\n") {
		t.Error("the README shows another scenarios/firewall-drop.yaml than there is")
	}
	// Commands stand in code: `testbed run FILE --cell loss=5%`.
	for _, code := range regexp.MustCompile("`testbed ([^`]+)`").FindAllStringSubmatch(readme, -1) {
		words := strings.Fields(code[1])
		c, _, err := newRoot().Find(words[:1])
		if err != nil || c.Name() != words[0] && words[0] != "completion" {
			t.Errorf("the README names testbed %s", words[0])
			continue
		}
		for _, w := range words {
			flag, _, _ := strings.Cut(strings.TrimPrefix(w, "--"), "=")
			if strings.HasPrefix(w, "--") && flag != "" && c.Flags().Lookup(flag) == nil {
				t.Errorf("the README names testbed %s --%s", words[0], flag)
			}
		}
	}
}
