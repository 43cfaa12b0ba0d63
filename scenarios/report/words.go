package report

import (
	"strconv"
	"strings"
	"time"

	"testbed/scenarios/verdict"
)

// short writes a duration as the checks have it: 60µs, 200.4ms, 7.132s.
func short(d time.Duration) string { return verdict.FormatDuration(d) }

// decimal writes a number with at most so many decimals and no trailing zeros.
func decimal(f float64, decimals int) string {
	s := strconv.FormatFloat(f, 'f', decimals, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// count is a number with its noun: "1 SYN", "3 SYNs".
func count(n int, noun string) string {
	return strconv.Itoa(n) + " " + plural(n, noun)
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

// times is "once", "twice", "5 times".
func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return strconv.Itoa(n) + " times"
}

// list joins items as in a sentence: "a, b and c".
func list(items []string) string {
	if len(items) < 2 {
		return strings.Join(items, "")
	}
	last := len(items) - 1
	return strings.Join(items[:last], ", ") + " and " + items[last]
}

// capital begins a sentence.
func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// paragraph joins the sentences that are not empty.
func paragraph(sentences ...string) string {
	var b strings.Builder
	for _, s := range sentences {
		if s == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(s)
	}
	return b.String()
}
