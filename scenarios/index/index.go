// Package index lists the library of scenarios for people: by theme, with what
// each one shows.
package index

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"testbed/scenarios"
	"testbed/scenarios/spec"
)

// Section is a theme with its scenarios.
type Section struct {
	scenarios.Theme
	Entries []Entry
}

// Entry is a scenario of the library.
type Entry struct {
	// Path is where it lies in the library: slow/keepalive.yaml.
	Path string
	// Name and Summary are the scenario's; the summary is one line.
	Name, Summary string
	Tags          []string
	// Virtual says that it is meant for the virtual clock.
	Virtual bool
	// Source is the file.
	Source []byte
}

// All are the themes that have scenarios. The error is a file of the library that
// does not decode, which a test excludes.
func All() ([]Section, error) {
	var all []Section
	for _, theme := range scenarios.Themes {
		s := Section{Theme: theme}
		for _, file := range theme.Files() {
			e, err := entry(file)
			if err != nil {
				return nil, err
			}
			s.Entries = append(s.Entries, e)
		}
		if len(s.Entries) > 0 {
			all = append(all, s)
		}
	}
	return all, nil
}

func entry(file string) (Entry, error) {
	src, err := scenarios.Library.ReadFile(file)
	if err != nil {
		return Entry{}, fmt.Errorf("read library: %w", err)
	}
	sc, err := spec.Decode(file, src)
	if err != nil {
		return Entry{}, err
	}
	return Entry{
		Path: file, Name: sc.Name, Summary: strings.Join(strings.Fields(sc.Summary), " "), Tags: sc.Tags,
		Virtual: sc.Clock == spec.VirtualClock, Source: src,
	}, nil
}

// Select keeps the scenarios in which every word is found, whatever its case: in the
// theme, the name, the summary, the tags or the file, where a word begins there.
func Select(all []Section, words []string) []Section {
	var kept []Section
	for _, s := range all {
		of := s
		of.Entries = nil
		for _, e := range s.Entries {
			if len(e.lacks(s, words)) == 0 {
				of.Entries = append(of.Entries, e)
			}
		}
		if len(of.Entries) > 0 {
			kept = append(kept, of)
		}
	}
	return kept
}

// Nearest are the names of the scenarios in which the most words are found, where no
// scenario has all of them, and the words that are in none.
func Nearest(all []Section, words []string) (names, nowhere []string) {
	most := 1
	nowhere = slices.Clone(words)
	for _, s := range all {
		for _, e := range s.Entries {
			lacking := e.lacks(s, words)
			nowhere = slices.DeleteFunc(nowhere, func(w string) bool { return !slices.Contains(lacking, w) })
			switch n := len(words) - len(lacking); {
			case n > most:
				most, names = n, []string{e.Name}
			case n == most:
				names = append(names, e.Name)
			}
		}
	}
	return names, nowhere
}

// lacks are the words that are found nowhere in a scenario of a theme.
func (e *Entry) lacks(s Section, words []string) (lacking []string) {
	text := strings.ToLower(strings.Join([]string{s.Title, s.Folder, e.Name, e.Summary, strings.Join(e.Tags, " "), string(e.Source)}, "\n"))
	for _, w := range words {
		if !begins(text, strings.ToLower(w)) {
			lacking = append(lacking, w)
		}
	}
	return lacking
}

// begins tells whether a word is found in a text where a word of the text begins.
func begins(text, word string) bool {
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return false
		}
		before, _ := utf8.DecodeLastRuneInString(text[:from+i])
		first, _ := utf8.DecodeRuneInString(word)
		if !isWord(before) || !isWord(first) {
			return true
		}
		from += i + 1
	}
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// Find is the scenario of that name or path, and the names of all, for a message.
func Find(all []Section, name string) (found *Entry, names []string) {
	name = strings.TrimSuffix(name, ".yaml")
	for _, s := range all {
		for i := range s.Entries {
			e := &s.Entries[i]
			names = append(names, e.Name)
			if name == e.Name || name == strings.TrimSuffix(e.Path, ".yaml") {
				found = e
			}
		}
	}
	return found, names
}

// Markdown writes the index page, with links to the files beside it.
func Markdown(w io.Writer, all []Section) error {
	var b strings.Builder
	b.WriteString("# The scenarios\n\nEach file shows one thing and states what must be observed. Find the one that is nearest to what you see, change three lines, and run it:\n\n" +
		"```sh\ntestbed list nat                        # search: every word must occur\ntestbed show nat-idle-timeout > my.yaml # a copy to change\ntestbed run my.yaml\n```\n\n" +
		"This page is written by `testbed list --markdown`.\n")
	for _, s := range all {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| scenario | what it shows |\n|---|---|\n", s.Title, s.About)
		for _, e := range s.Entries {
			fmt.Fprintf(&b, "| [%s](%s) | %s |\n", e.Name, e.Path, strings.ReplaceAll(e.Summary, "|", `\|`))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
