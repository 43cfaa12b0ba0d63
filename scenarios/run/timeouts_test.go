package run_test

import (
	"path/filepath"
	"strings"
	"testing"

	"testbed/scenarios/run"
	"testbed/scenarios/spec"
)

// The kernel's timeouts, made short by sysctls: those of the folder slow have them
// as they are by default.
func TestTimeouts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/timeouts/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d scenarios: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			t.Parallel()
			s, err := spec.DecodeFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r := run.Scenario(t.Context(), s, run.Options{})
			if r.Err != nil {
				t.Fatal(r.Err)
			}
			for _, step := range r.Steps {
				for _, c := range step.Verdict.Checks {
					if !c.OK {
						t.Errorf("line %d, %s: %s: expected %s %s (%s), observed %s: %s", step.Step.Line, step.Observation.Title,
							c.Key, c.Expected, c.Tolerance, c.From, c.Observed, c.Note)
					}
				}
			}
		})
	}
}
