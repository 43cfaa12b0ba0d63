package spec

import (
	"fmt"
	"regexp"
	"strings"

	"testbed/topo"

	"github.com/goccy/go-yaml/ast"
)

// script is a text of several lines in another language, which is best written as
// a block: its lines are the file's then, and so are the places of its mistakes.
type script struct {
	value[string]
	// first is the line of the file in which the text begins.
	first int
}

const wantScript = "text of several lines after key: | on lines of their own, further in"

func (v *script) read(d *decoder, key string, n ast.Node) bool {
	if !d.leaf(key, n, v) {
		return false
	}
	v.first = v.line
	if _, block := n.(*ast.LiteralNode); block {
		v.first++
	}
	return true
}

func (v *script) parse(s scalar) *complaint {
	if s.kind != textKind {
		return bad("must be text, not %s %s", s.kind, quote(s.text)).want(wantScript)
	}
	if strings.ContainsRune(s.text, 0) {
		return bad("has a NUL character in it").want("text without NUL")
	}
	v.V = s.text
	return nil
}

// rulesets are a node's that tools of their own load.
func rulesets(nft, ip, ip6 *script) (all []topo.Ruleset) {
	for i, s := range []*script{nft, ip, ip6} {
		if s != nil {
			all = append(all, topo.Ruleset{Tool: topo.Tools[i], Text: s.V, Line: s.first})
		}
	}
	return all
}

// Misplaced are complaints about a ruleset as problems of the scenario's file. It
// takes the tool's name, and of each complaint its line and column in the ruleset's
// text, from 1 (0 where they are not known), and the message.
func (s *Scenario) Misplaced(r topo.Ruleset, line, column int, message string) Problem {
	lines := strings.Split(string(s.Source), "\n")
	p := Problem{File: s.File, Line: max(r.Line+max(line, 1)-1, 1), Column: 1, Message: string(r.Tool) + ": " + message}
	if p.Line > len(lines) {
		return p
	}
	p.Source = strings.TrimSuffix(lines[p.Line-1], "\r")
	own := strings.Split(r.Text, "\n")
	if i := max(line, 1) - 1; i < len(own) {
		before, _, found := strings.Cut(p.Source, own[i])
		if found {
			p.Column = len([]rune(before)) + max(column, 1)
		}
	}
	return p
}

// MisplacedSysctl is a complaint about a sysctl's value as a problem of the scenario's
// file, at the first place that gives the sysctl this value; false where none does.
func (s *Scenario) MisplacedSysctl(name, value, message string) (Problem, bool) {
	p, ok := s.sysctl(regexp.QuoteMeta(name) + `\??["']?\s*:\s*["']?(` + regexp.QuoteMeta(value) + `)(?:["'\s,}]|$)`)
	p.Message, p.Valid = name+": "+message, "a value that the kernel's documentation names for it (ip-sysctl)"
	return p, ok
}

// SysctlPlace is where the scenario's file first sets a sysctl, as FILE:LINE:COLUMN;
// empty where it does not.
func (s *Scenario) SysctlPlace(name string) string {
	p, ok := s.sysctl(`(?:^|[\s{,"'])(` + regexp.QuoteMeta(name) + `)["']?\s*:`)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// sysctl is the first place where a pattern matches, at its group.
func (s *Scenario) sysctl(pattern string) (Problem, bool) {
	entry := regexp.MustCompile(pattern)
	for i, line := range strings.Split(string(s.Source), "\n") {
		if at := entry.FindStringSubmatchIndex(line); at != nil {
			return Problem{File: s.File, Line: i + 1, Column: len([]rune(line[:at[2]])) + 1, Source: strings.TrimSuffix(line, "\r")}, true
		}
	}
	return Problem{}, false
}
