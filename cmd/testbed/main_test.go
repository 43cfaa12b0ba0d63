package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"testbed/scenarios/virtual"
	"testbed/topo/sandbox"
	"testbed/vm/guest"
)

// The scripts run the program itself: the test binary under the name testbed,
// with the real main, which enters its sandbox by executing that binary again.
//
// On a virtual clock it is the guest's first process too.
func TestMain(m *testing.M) {
	guest.Main(virtual.Guest())
	testscript.Main(m, map[string]func(){
		"testbed":        main,
		"without-userns": withoutUserNamespaces,
	})
}

// TestCommand runs the scripts that need no privilege and no kernel feature.
func TestCommand(t *testing.T) {
	testscript.Run(t, params("testdata/script"))
}

// TestNetwork runs the scripts that build networks.
func TestNetwork(t *testing.T) {
	requireSandbox(t)
	testscript.Run(t, params("testdata/network"))
}

func params(dir string) testscript.Params {
	return testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setUp,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  exits,
			"json":   checkJSON,
			"pcapng": checkPcapng,
			"xml":    checkXML,
		},
		Condition: func(cond string) (bool, error) {
			if cond == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
	}
}

// setUp makes the library's scenarios and the examples of testdata available.
func setUp(e *testscript.Env) error {
	for name, dir := range map[string]string{"SCENARIOS": "../../scenarios", "EXAMPLES": "testdata/scenarios"} {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		e.Setenv(name, abs)
	}
	e.Setenv("TERM", "dumb")
	e.Setenv("GORACE", "atexit_sleep_ms=0") // the race detector's, a second for each process
	return nil
}

// requireSandbox skips a test where the program itself says that this host
// allows no sandbox, or lacks something else that networks need; it fails there
// if features are required.
func requireSandbox(t *testing.T) {
	t.Helper()
	out, err := exec.Command("testbed", "doctor").CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit) && exit.ExitCode() == exitUnavailable:
		sandbox.SkipOrFail(t, fmt.Errorf("this host can't run networks:\n%s", out))
	default:
		t.Fatalf("testbed doctor: %v\n%s", err, out)
	}
}

// exits is the script command `exits CODE PROGRAM ARG…`: the program must end
// with exactly that code. Its output is there for stdout and stderr.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, not %d", got, want)
	}
}

// checkJSON is the script command `json FILE PATH VALUE`: the file, or stdout, is
// one JSON document, whose value at a path such as scenarios.0.ok is VALUE.
func checkJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: json FILE PATH VALUE")
	}
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &v))
	for _, key := range strings.Split(args[1], ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(at) {
				ts.Fatalf("%s: no element %q in a list of %d", args[1], key, len(at))
			}
			v = at[i]
		default:
			ts.Fatalf("%s: nothing at %q", args[1], key)
		}
	}
	if got := fmt.Sprint(v); got != args[2] {
		ts.Fatalf("%s is %s, not %s", args[1], got, args[2])
	}
}

// checkXML is the script command `xml FILE`: the file, or stdout, is well-formed
// XML.
func checkXML(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: xml FILE")
	}
	d := xml.NewDecoder(bytes.NewReader([]byte(ts.ReadFile(args[0]))))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			ts.Fatalf("%s: %v", args[0], err)
		}
	}
}
