package report

import (
	"fmt"
	"strings"
	"syscall"

	"testbed/agents"
)

// command tells how a command ended.
func (e *evidence) command() string {
	return paragraph(e.ended(), e.complaint())
}

func (e *evidence) ended() string {
	after := short(e.Elapsed)
	if e.Background {
		return e.inBackground(after)
	}
	switch {
	case e.Deadline:
		return fmt.Sprintf("The command was killed when the step's timeout passed, after %s.", after)
	case e.Detail != "" && e.Exit < 0:
		return fmt.Sprintf("The command did not run to its end: %s.", inline(e.Detail, maxField))
	case e.Exit < 0:
		return fmt.Sprintf("The command was ended by a signal after %s.", after)
	case e.Exit == 0:
		return fmt.Sprintf("The command succeeded after %s (exit code 0).", after)
	}
	return fmt.Sprintf("The command failed after %s with exit code %d%s.", after, e.Exit, exitMeans(e.Exit))
}

// inBackground tells of a program that was to go on.
func (e *evidence) inBackground(after string) string {
	switch {
	case e.Deadline:
		return fmt.Sprintf("The program was killed after %s: it did not listen on port %d, and the step's timeout had passed.", after, e.Ready)
	case e.Outcome == agents.Failed && e.Detail != "":
		return fmt.Sprintf("The program did not start: %s.", inline(e.Detail, maxField))
	case e.Outcome == agents.Failed:
		return fmt.Sprintf("The program ended after %s with exit code %d%s, before it listened on port %d.", after, e.Exit, exitMeans(e.Exit), e.Ready)
	case e.Ready != 0:
		return fmt.Sprintf("The program listened on port %d after %s, and goes on until the scenario ends.", e.Ready, after)
	}
	return "The program was started, and goes on until the scenario ends."
}

// exitMeans explains the exit codes that a POSIX shell gives itself.
func exitMeans(code int) string {
	switch {
	case code == 126:
		return ", which a shell gives for a file that it can't execute"
	case code == 127:
		return ", which a shell gives for a command that it can't find"
	case code > 128 && code <= 128+64:
		return fmt.Sprintf(", which means signal %d (%s)", code-128, syscall.Signal(code-128))
	}
	return ""
}

// complaint is the last line that a command which did not succeed wrote to its
// standard error.
func (e *evidence) complaint() string {
	if e.Exit == 0 && !e.Deadline && e.Outcome != agents.Failed {
		return ""
	}
	lines := strings.FieldsFunc(e.Stderr, func(r rune) bool { return r == '\n' || r == '\r' })
	for i := len(lines) - 1; i >= 0; i-- {
		if s := strings.TrimSpace(lines[i]); s != "" {
			return `The last line of its stderr: "` + inline(s, 160) + `".`
		}
	}
	return ""
}
