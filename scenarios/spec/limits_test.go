package spec

import (
	"fmt"
	"strings"
	"testing"
)

// TestLimits holds what is said of files that ask for too much: golden files of them
// would be too large.
func TestLimits(t *testing.T) {
	const (
		nodes = "nodes: {a: {}, b: {listen: [{port: 7, serve: echo}]}}\n"
		links = "links: [{between: [a, b]}]\n"
		steps = "steps:\n  - {connect: \"b:7\", from: a}\n"
	)
	var names strings.Builder
	for n := range maxNodes + 1 {
		fmt.Fprintf(&names, "  n%d: {}\n", n)
	}
	var values strings.Builder
	for n := range maxCells {
		fmt.Fprintf(&values, "%dms, ", n+1)
	}
	for name, c := range map[string]struct{ src, want string }{
		"nodes": {"name: x\nnodes:\n" + names.String() + "steps: [{wait: 1s}]\n", "x.yaml:1003:3: more than 1000 nodes\n      n1000: {}\n      ^\n  valid: a smaller network"},
		"links": {
			"name: x\n" + nodes + "links:\n" + strings.Repeat("  - {between: [a, b]}\n", maxLinks+1) + steps,
			"x.yaml:10004:5: more than 10000 links\n      - {between: [a, b]}\n        ^\n  valid: a smaller network",
		},
		"steps": {
			"name: x\n" + nodes + links + "steps:\n" + strings.Repeat("  - {wait: 1s}\n", maxSteps+1),
			"x.yaml:10005:5: more than 10000 steps\n      - {wait: 1s}\n        ^\n  valid: a shorter scenario",
		},
		"words": {
			"name: x\n" + nodes + links + "steps:\n" + strings.Repeat("  - {wait: 1s}\n", maxTokens/5),
			"x.yaml:1:1: the file has more than 200000 words and signs\n    name: x\n    ^\n  valid: a smaller file",
		},
		"bytes": {
			"name: x\n" + nodes + links + steps + "#" + strings.Repeat(" ", maxBytes),
			"x.yaml:1:1: the file has more than 1048576 bytes\n  valid: a file of 1 MiB at most",
		},
		"combinations": {
			"name: x\nmatrix:\n  delay: [" + values.String() + "]\n" + nodes + links + "steps:\n" + strings.Repeat("  - {wait: \"${delay}\"}\n", 1000),
			"x.yaml:3:3: matrix: 1000 combinations of a file of 8050 words and signs\n      delay: [" + values.String()[:110] + "\n      ^\n  valid: fewer combinations, or a smaller file",
		},
		"problems": {
			"name: x\n" + nodes + links + "steps:\n" + strings.Repeat("  - {wait: 1}\n", shownProblems+3),
			"\nand 3 more",
		},
	} {
		_, err := Decode("x.yaml", []byte(c.src))
		switch {
		case err == nil:
			t.Errorf("%s: decoded", name)
		case !strings.HasSuffix(err.Error(), c.want) || strings.HasPrefix(c.want, "x.yaml") && err.Error() != c.want:
			t.Errorf("%s: got %.300s\nwant %s", name, err, c.want)
		}
	}
}
