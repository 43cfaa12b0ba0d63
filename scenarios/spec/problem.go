package spec

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// shownProblems is how many problems Error prints; the list holds the rest.
const shownProblems = 50

// Problem is one mistake in a scenario file.
type Problem struct {
	// File is the path as given to Decode.
	File string
	// Line and Column count from 1, the column in characters.
	Line, Column int
	// Message says what is wrong.
	Message string
	// Valid says what would be right; empty where the message does.
	Valid string
	// Nearest is a valid spelling close to what was written, or empty.
	Nearest string
	// Source is the offending line, without its line end.
	Source string
	// NotSupported marks what the scenario language has but this version of the
	// testbed cannot do yet.
	NotSupported bool
}

// String is the problem with its place, the line with a caret under the column,
// and what would be right. It has no final line end.
func (p Problem) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
	if strings.TrimSpace(p.Source) != "" {
		line, column := window(p.Source, p.Column)
		fmt.Fprintf(&b, "\n    %s\n    %s^", line, strings.Repeat(" ", column-1))
	}
	if p.Valid != "" {
		fmt.Fprintf(&b, "\n  valid: %s", p.Valid)
	}
	if p.Nearest != "" {
		fmt.Fprintf(&b, "\n  did you mean %q?", p.Nearest)
	}
	return b.String()
}

// window cuts a long line to the surroundings of a column and replaces what a
// terminal would not print as one character. It returns the column there.
func window(line string, column int) (string, int) {
	const width, before = 120, 80
	runes := []rune(strings.TrimRight(line, " \t\r"))
	column = min(max(column, 1), len(runes)+1)
	for i, r := range runes {
		if !unicode.IsPrint(r) {
			runes[i] = ' '
		}
	}
	start := 0
	if column > width {
		start = column - before
	}
	end := min(len(runes), start+width)
	return string(runes[start:end]), column - start
}

// Problems are all mistakes of a scenario file, in the order of their places. It
// is the error that Decode returns.
type Problems struct {
	List []Problem
}

// Error prints each problem with its line; see Problem.String.
func (p *Problems) Error() string {
	var b strings.Builder
	for i, problem := range p.List {
		if i == shownProblems {
			fmt.Fprintf(&b, "\nand %d more", len(p.List)-i)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(problem.String())
	}
	return b.String()
}

// NotSupported tells whether the file has no other mistake than to ask for what
// is not supported yet.
func (p *Problems) NotSupported() bool {
	return !slices.ContainsFunc(p.List, func(q Problem) bool { return !q.NotSupported })
}

func (p *Problems) sort() {
	slices.SortStableFunc(p.List, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	p.List = slices.Compact(p.List)
}
