package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"testbed/topo"
	"testbed/topo/ruleset"
	"testbed/topo/sandbox"
)

// TestRulesets runs the scripts whose nodes have rulesets that nft and iptables load.
func TestRulesets(t *testing.T) {
	requireSandbox(t)
	for _, tool := range topo.Tools {
		_, err := ruleset.Find(tool)
		sandbox.SkipOrFail(t, err)
	}
	testscript.Run(t, params("testdata/rulesets"))
}
