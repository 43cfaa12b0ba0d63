// Package testbed_test holds what is true of the whole module.
package testbed_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport says, for each folder, which of the module's others its packages may
// import. A folder's own root package is always allowed.
var mayImport = []struct {
	folder  string
	imports []string
}{
	{"netem/wire", []string{"topo/netns"}},
	{"netem/qdisc", []string{"topo", "topo/netns", "topo/rtnl", "topo/sandbox"}},
	{"netem/conformance", []string{"topo/netns"}},
	{"netem", nil},
	{"topo/build", []string{"netem", "netem/qdisc", "netem/wire", "observe", "topo/netns", "topo/nft", "topo/rtnl", "topo/ruleset", "topo/sandbox"}},
	{"topo/netns/netnstest", []string{"topo/netns"}},
	{"topo/netns", nil},
	{"topo/sandbox", nil},
	{"topo/rtnl", []string{"topo/netns", "topo/sandbox"}},
	{"topo/ruleset", []string{"topo/netns", "topo/sandbox"}},
	{"topo/nft", []string{"topo/netns", "observe", "topo/sandbox"}},
	{"topo", []string{"netem"}},
	{"agents/exec", []string{"topo", "topo/netns", "topo/sandbox"}},
	{"agents/raw", []string{"topo/netns", "topo/sandbox"}},
	{"agents/flood", []string{"netem", "topo/netns", "agents/raw"}},
	{"agents/scan", []string{"netem", "topo/netns", "agents/raw"}},
	{"agents", []string{"topo", "topo/netns", "agents/alarm", "agents/dns", "agents/tcp", "agents/tls", "agents/http"}},
	{"observe/capture", []string{"netem", "topo", "topo/netns", "observe/record"}},
	{"observe/kernel", []string{"topo/netns", "topo/sandbox", "observe/record"}},
	{"observe/decode", []string{"topo"}},
	{"observe/record", nil},
	{"observe/journey", []string{"netem", "topo", "observe/decode"}},
	{"observe/ladder", []string{"netem", "topo", "observe/relative"}},
	{"observe/relative", []string{"topo"}},
	{"observe", []string{"netem", "topo"}},
	{"scenarios/spec", []string{"agents", "netem", "observe", "topo"}},
	{"scenarios/timers", nil},
	{"scenarios/index", []string{"scenarios/spec"}},
	{"scenarios/verdict", []string{"agents", "netem", "observe", "observe/relative", "scenarios/spec", "scenarios/timers", "topo"}},
	{"scenarios/report", []string{"agents", "netem", "observe", "observe/ladder", "scenarios/index", "scenarios/spec", "scenarios/verdict", "topo"}},
	{"scenarios/run", []string{"*"}},
	{"scenarios/virtual", []string{"*"}},
	{"scenarios", nil},
	{"vm/channel", nil},
	{"vm/guest", []string{"vm/channel"}},
	{"vm/guesttest", []string{"topo/sandbox", "vm/guest", "vm/kernel", "vm/machine", "vm/qemu"}},
	{"vm/image", []string{"vm/kernel"}},
	{"vm/kernel", nil},
	{"vm/machine", []string{"vm/channel", "vm/image", "vm/kernel", "vm/qemu"}},
	{"vm/qemu", []string{"topo/sandbox"}},
	{"vm", nil},
	{"cmd/testbed", []string{"*"}},
	{"e2e", []string{"*"}},
}

func TestImportsPointOneWay(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "testdata") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range f.Imports {
			name, _ := strconv.Unquote(i.Path.Value)
			if to, own := strings.CutPrefix(name, "testbed/"); own {
				checkImport(t, path, filepath.ToSlash(filepath.Dir(path)), to)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// checkImport holds one import against the first row whose folder holds the
// importing package.
func checkImport(t *testing.T, file, from, to string) {
	t.Helper()
	for _, row := range mayImport {
		if from != row.folder && !strings.HasPrefix(from, row.folder+"/") {
			continue
		}
		root, _, _ := strings.Cut(from, "/")
		if to != root && !slices.Contains(row.imports, to) && !slices.Contains(row.imports, "*") {
			t.Errorf("%s imports %s, which %s may not", file, to, row.folder)
		}
		return
	}
	t.Errorf("%s: no row of mayImport holds %s", file, from)
}

// Only one package may move a thread between namespaces.
func TestThreadsChangeNamespaceInOnePlace(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "topo/netns/") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, call := range []string{"unix.Setns(", "unix.Unshare(", "netns.Set(", "syscall.Unshare(", "NewHandleAt(", "WithNetNSFd("} {
			if strings.Contains(string(b), call) {
				t.Errorf("%s calls %s…): only topo/netns may", path, call)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// docs/architecture.md says what every folder with code is for.
func TestTheArchitectureNamesEveryFolder(t *testing.T) {
	text, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.Contains(path, "testdata") {
			return err
		}
		folder := filepath.ToSlash(filepath.Dir(path))
		if folder != "." && !strings.Contains(string(text), "`"+folder+"/`") && !strings.Contains(string(text), "`"+filepath.Base(folder)+"/`") {
			t.Errorf("docs/architecture.md does not name %s", folder)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
