package sandbox

import (
	"fmt"
	"os"
	"slices"
)

// RequireEnv is the environment variable that, when set, makes the absence of a
// kernel feature fail a test in place of skipping it. CI sets it.
const RequireEnv = "TESTBED_REQUIRE"

// TestMain runs a package's tests inside a sandbox and ends the program. Where
// the host allows no sandbox, the tests are skipped with the reason, or fail if
// RequireEnv is set. A fuzzing worker runs outside: it talks to its coordinator over
// descriptors that a sandbox does not pass on, and needs no network.
//
//	func TestMain(m *testing.M) { sandbox.TestMain(m) }
func TestMain(m interface{ Run() int }) {
	if slices.Contains(os.Args, "-test.fuzzworker") {
		os.Exit(m.Run())
	}
	if err := Enter(Options{}); err != nil {
		if os.Getenv(RequireEnv) != "" {
			fmt.Fprintln(os.Stderr, "FAIL:", err)
			os.Exit(ExitUnavailable)
		}
		fmt.Fprintln(os.Stderr, "SKIP:", err)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Test is what SkipOrFail needs of one: a testing.TB has it, and a GinkgoT.
type Test interface {
	Helper()
	Skip(args ...any)
	Fatal(args ...any)
}

// SkipOrFail ends a test that this host lacks something for, unless the error that
// says so is nil: the test is skipped, or fails if RequireEnv is set.
func SkipOrFail(t Test, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv(RequireEnv) != "":
		t.Fatal(fmt.Sprintf("%s: %v", RequireEnv, err))
	default:
		t.Skip(err)
	}
}
