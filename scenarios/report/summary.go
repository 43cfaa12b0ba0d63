package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"testbed/scenarios/verdict"
)

// maxNames bounds how many scenarios a summary names.
const maxNames = 8

// Summary writes one line about several results: how many there are, how many
// passed, and the names of the others, those that were skipped among them. wall
// is the time that all took.
func Summary(w io.Writer, results []*verdict.Result, wall time.Duration) error {
	var ok int
	var failed, broken, stopped, skipped []string
	for _, r := range results {
		switch {
		case r.Skipped != "" && r.Err == nil:
			skipped = append(skipped, nameOf(r))
		case r.OK():
			ok++
		case r.Err == nil:
			failed = append(failed, nameOf(r))
		case isInterrupt(r.Err):
			stopped = append(stopped, nameOf(r))
		default:
			broken = append(broken, nameOf(r))
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
	_, err := fmt.Fprintf(w, "%s: %s in %s\n", count(len(results), "scenario"), strings.Join(parts, ", "), seconds(wall))
	return err
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
