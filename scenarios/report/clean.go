package report

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

const (
	// maxQuote bounds a foreign text that is quoted within a sentence, in runes.
	maxQuote = 60
	// maxField bounds one field of a line, in runes.
	maxField = 300
	// maxOutput bounds a command's output in JUnit files, in bytes.
	maxOutput = 16 << 10
	// maxLines bounds a command's output in a story, in lines.
	maxLines = 20
)

// inline makes foreign text fit for the middle of a line: what is not
// printable, line ends too, is written as an escape such as \x1b, and what is
// longer than max runes is cut.
func inline(s string, max int) string {
	s = cut(s, max)
	if isPlain(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		writeEscaped(&b, r)
	}
	return b.String()
}

// block makes foreign text of several lines fit for output: line ends and tabs
// stay, other unprintable characters become escapes.
func block(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '\n' || r == '\t':
			b.WriteRune(r)
		case r == utf8.RuneError && isInvalid(s[i:]):
			b.WriteString(`\x` + hex(s[i]))
		default:
			writeEscaped(&b, r)
		}
	}
	return b.String()
}

// quote is foreign text in double quotes within a sentence, escaped and cut.
func quote(s string) string {
	return `"` + inline(strings.TrimSpace(s), maxQuote) + `"`
}

func writeEscaped(b *strings.Builder, r rune) {
	if unicode.IsPrint(r) {
		b.WriteRune(r)
		return
	}
	q := strconv.QuoteRune(r)
	b.WriteString(q[1 : len(q)-1])
}

func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

func isInvalid(s string) bool {
	_, n := utf8.DecodeRuneInString(s)
	return n == 1
}

func hex(c byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[c>>4], digits[c&15]})
}

// cut shortens a text to max runes, the last of them an ellipsis.
func cut(s string, max int) string {
	if utf8.RuneCountInString(s) <= max {
		return s
	}
	r := []rune(s)
	return string(r[:max-1]) + "…"
}

// cutBytes shortens a text to about max bytes and says so.
func cutBytes(s string, max int) string {
	if len(s) <= max {
		return s
	}
	for max > 0 && !utf8.RuneStart(s[max]) {
		max--
	}
	return s[:max] + "\n… (" + strconv.Itoa(len(s)-max) + " more bytes)"
}

var asciiFor = map[rune]string{
	'✓': "ok", '✗': "FAIL", '±': "+-", '…': "...", '–': "-", '→': "->", '←': "<-", 'µ': "u", '×': "x", '·': "-", '│': "|", '≠': "!=",
}

// toASCII writes what is not ASCII in ASCII; what has no equal becomes a
// question mark.
func toASCII(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch a, ok := asciiFor[r]; {
		case r < utf8.RuneSelf:
			b.WriteRune(r)
		case ok:
			b.WriteString(a)
		default:
			b.WriteByte('?')
		}
	}
	return b.String()
}

// width is the number of terminal columns that a text takes, without its
// colours.
func width(s string) int {
	if isPlain(s) {
		return len(s)
	}
	return ansi.StringWidth(s)
}

// wrap breaks a text at its spaces into lines of at most limit columns where
// its words allow it.
func wrap(s string, limit int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(s) {
		switch {
		case line == "":
			line = word
		case width(line)+1+width(word) <= limit:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
