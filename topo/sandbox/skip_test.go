package sandbox_test

import (
	"errors"
	"fmt"
	"testing"

	"testbed/topo/sandbox"
)

// ended is a test that notes how it ends.
type ended struct{ how string }

func (e *ended) Helper()           {}
func (e *ended) Skip(args ...any)  { e.how += "skipped: " + fmt.Sprint(args...) }
func (e *ended) Fatal(args ...any) { e.how += "failed: " + fmt.Sprint(args...) }

func TestWhatIsRequiredFails(t *testing.T) {
	lacking := errors.New("no such program")
	for _, c := range []struct {
		require string
		err     error
		want    string
	}{
		{"", nil, ""},
		{"all", nil, ""},
		{"", lacking, "skipped: no such program"},
		{"all", lacking, "failed: TESTBED_REQUIRE: no such program"},
		{"1", lacking, "failed: TESTBED_REQUIRE: no such program"},
	} {
		t.Setenv(sandbox.RequireEnv, c.require)
		e := &ended{}
		sandbox.SkipOrFail(e, c.err)
		if e.how != c.want {
			t.Errorf("%s=%s, %v: %q, not %q", sandbox.RequireEnv, c.require, c.err, e.how, c.want)
		}
	}
}
