package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"testbed/vm/kernel"
	"testbed/vm/kernel/kerneltest"
)

// TestKernel runs the scripts about kernels, each with a cache of its own and, at
// $MIRROR, a mirror that no key of Debian's signed.
func TestKernel(t *testing.T) {
	p := params("testdata/kernel")
	p.Cmds["deb"] = makeDeb
	p.Cmds["interrupt"] = interrupt
	common := p.Setup
	p.Setup = func(e *testscript.Env) error {
		e.Setenv(kernel.CacheEnv, e.WorkDir+"/cache")
		m := &badMirror{asked: make(chan struct{}, 1)}
		server := httptest.NewServer(m)
		e.Defer(server.Close)
		e.Values[mirrorKey{}] = m
		e.Setenv("MIRROR", server.URL)
		return common(e)
	}
	testscript.Run(t, p)
}

// mirrorKey is where a script's mirror is.
type mirrorKey struct{}

// badMirror has nothing below /, an index without a signature below /unsigned, and
// never answers below /slow.
type badMirror struct {
	// asked tells of a request that is not answered.
	asked chan struct{}
}

// ServeHTTP answers as badly as it can.
func (m *badMirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, "/slow/"):
		m.asked <- struct{}{}
		<-r.Context().Done()
	case strings.HasPrefix(r.URL.Path, "/unsigned/debian/"):
		w.Write([]byte("Codename: bookworm-updates\n"))
	default:
		http.NotFound(w, r)
	}
}

// interrupt is the script command `interrupt ARG…`: testbed with these arguments is
// interrupted while it waits for the mirror, and must say so.
func interrupt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: interrupt ARG…")
	}
	var stderr bytes.Buffer
	c := exec.Command("testbed", args...)
	c.Env, c.Dir, c.Stderr = append(os.Environ(), kernel.CacheEnv+"="+ts.Getenv(kernel.CacheEnv)), ts.MkAbs("."), &stderr
	ts.Check(c.Start())
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case <-ts.Value(mirrorKey{}).(*badMirror).asked:
		ts.Check(c.Process.Signal(os.Interrupt))
		<-ended
	case err := <-ended:
		ts.Fatalf("it ended before it asked: %v\n%s", err, stderr.String())
	}
	if code := c.ProcessState.ExitCode(); code != exitInterrupted || !strings.Contains(stderr.String(), "testbed: interrupted\n") {
		ts.Fatalf("exit code %d, not %d\n%s", code, exitInterrupted, stderr.String())
	}
}

// makeDeb is the script command `deb FILE RELEASE BUILD [lacking]`: the package of a
// kernel, with or without what a virtual clock needs.
func makeDeb(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 && len(args) != 4 {
		ts.Fatalf("usage: deb FILE RELEASE BUILD [lacking]")
	}
	k := kerneltest.Kernel{Release: args[1], Build: args[2], Modules: map[string]string{"veth": ""}, Ext: ".xz"}
	if len(args) == 3 {
		k.Builtin = kernel.Required
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), kerneltest.Deb(".xz", k.Files()...), 0o644))
}
