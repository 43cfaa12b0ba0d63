package report

import (
	"strings"
	"testing"
)

func TestInline(t *testing.T) {
	for _, c := range []struct {
		in   string
		max  int
		want string
	}{
		{"plain", 10, "plain"},
		{"é–✓", 10, "é–✓"},
		{"\x1b[31mred\x07", 20, `\x1b[31mred\a`},
		{"a\r\nb", 10, `a\r\nb`},
		{"\u009b31m\u202e", 20, `\u009b31m\u202e`},
		{"bad \xff", 10, "bad \ufffd"},
		{"0123456789", 5, "0123…"},
	} {
		if got := inline(c.in, c.max); got != c.want {
			t.Errorf("inline(%q, %d) = %q, want %q", c.in, c.max, got, c.want)
		}
	}
}

func TestBlock(t *testing.T) {
	if got, want := block("a\r\nb\tc\x1b[1m\r\x00\xff\u202e"), "a\nb\tc\\x1b[1m\\r\\x00\\xff\\u202e"; got != want {
		t.Errorf("block = %q, want %q", got, want)
	}
}

func TestCutBytes(t *testing.T) {
	if got, want := cutBytes("aé"+strings.Repeat("x", 9), 2), "a\n… (11 more bytes)"; got != want {
		t.Errorf("cutBytes = %q, want %q", got, want)
	}
}

func TestToASCII(t *testing.T) {
	if got, want := toASCII("✓ ±7ms 60µs é"), "ok +-7ms 60us ?"; got != want {
		t.Errorf("toASCII = %q, want %q", got, want)
	}
}
