package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
)

// maxNames bounds how many scenarios a summary names.
const maxNames = 8

// Summary writes one line about several results: how many there are, how many
// passed, and the names of the others, those that were skipped among them. Results
// of several kernels are counted one by one, and named with their kernel. wall is
// the time that all took.
func Summary(w io.Writer, results []*verdict.Result, wall time.Duration) error {
	var ok int
	var failed, broken, stopped, skipped []string
	releases := Kernels(results)
	name := func(r *verdict.Result) string { return nameOn(r, releases) }
	for _, r := range results {
		switch {
		case r.Skipped != "" && r.Err == nil:
			skipped = append(skipped, name(r))
		case r.OK():
			ok++
		case r.Err == nil:
			failed = append(failed, name(r))
		case isInterrupt(r.Err):
			stopped = append(stopped, name(r))
		default:
			broken = append(broken, name(r))
		}
	}
	parts := []string{fmt.Sprintf("%d ok", ok)}
	for _, g := range []struct {
		what  string
		names []string
	}{{"failed", failed}, {"could not run", broken}, {"interrupted", stopped}, {"skipped", skipped}} {
		if len(g.names) > 0 {
			parts = append(parts, fmt.Sprintf("%d %s (%s)", len(g.names), g.what, someNames(g.names)))
		}
	}
	_, err := fmt.Fprintf(w, "%s: %s in %s\n", ran(results, releases), strings.Join(parts, ", "), seconds(wall))
	return err
}

// ran says how many scenarios there are, and on how many kernels.
func ran(results []*verdict.Result, releases []string) string {
	if len(releases) < 2 {
		return count(len(results), "scenario")
	}
	scenarios := map[*spec.Scenario]bool{}
	for _, r := range results {
		scenarios[r.Scenario] = true
	}
	return fmt.Sprintf("%s of %s on %s", count(len(results), "run"), count(len(scenarios), "scenario"), count(len(releases), "kernel"))
}

// nameOn is a scenario's name, with the kernel where the results are of several.
func nameOn(r *verdict.Result, releases []string) string {
	i := slices.Index(releases, r.Kernel)
	if len(releases) < 2 || i < 0 {
		return nameOf(r)
	}
	return nameOf(r) + " on " + inline(shortReleases(releases)[i], maxField)
}

func someNames(names []string) string {
	if len(names) > maxNames {
		return strings.Join(names[:maxNames], ", ") + fmt.Sprintf(", … %d more", len(names)-maxNames)
	}
	return strings.Join(names, ", ")
}

// seconds is a time to the tenth of a second, "8.1 s", or in milliseconds
// below one second.
func seconds(d time.Duration) string {
	if d < time.Second {
		return decimal(float64(d)/1e6, 0) + " ms"
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
