// Package report turns a scenario's result into what a person reads on a
// terminal (text, a ladder diagram, a paragraph in plain words) and into what
// a machine reads (JSON, JUnit XML).
//
// It is pure but for Progress, which draws on a terminal: the same result
// gives the same bytes. Output of commands, banners and names are never
// trusted: no control character of theirs reaches what is written.
package report
