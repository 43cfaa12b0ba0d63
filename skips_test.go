package testbed_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// mayNotApply are the files whose tests end early for another reason than that the
// host lacks something, and the reason.
var mayNotApply = map[string]string{
	"topo/sandbox/test.go":          "SkipOrFail itself",
	"topo/sandbox/sandbox_test.go":  "a signal that the tests were started to ignore",
	"netem/conformance/link.go":     "what a medium refuses",
	"netem/conformance/timing.go":   "what a medium refuses",
	"netem/qdisc/qdisc_test.go":     "on the host, where the guests have the kernel's netem",
	"netem/qdisc/kernel_test.go":    "the kernel's version",
	"netem/qdisc/support_test.go":   "what the kernel lacks is what it tests",
	"netem/qdisc/steering_test.go":  "one processor, or an ordinary user",
	"observe/kernel/tracer_test.go": "an ordinary user, or root where ordinary users are tested",
	"vm/guesttest/guesttest.go":     "the race detector",
	"vm/image/programs_test.go":     "root, where ordinary users are tested",
	"cmd/testbed/door_test.go":      "an ordinary user",
}

// A test that the host lacks something for goes through sandbox.SkipOrFail, so that
// it fails where features are required.
func TestWhatIsLackingIsNotSkippedInWords(t *testing.T) {
	found := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if c, ok := n.(*ast.CallExpr); ok && skips(c) {
				found[filepath.ToSlash(path)] = true
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for file := range found {
		if mayNotApply[file] == "" {
			t.Errorf("%s skips a test: for what the host lacks, sandbox.SkipOrFail does", file)
		}
	}
	for file := range mayNotApply {
		if !found[file] {
			t.Errorf("%s skips no test", file)
		}
	}
}

// skips tells whether a call ends a test of either kind without a failure.
func skips(c *ast.CallExpr) bool {
	name := ""
	switch f := c.Fun.(type) {
	case *ast.Ident: // Ginkgo's
		name = f.Name
	case *ast.SelectorExpr:
		name = f.Sel.Name
	}
	return name == "Skip" || name == "Skipf" || name == "SkipNow"
}
