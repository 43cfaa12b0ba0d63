package spec

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "rewrite the expected messages in testdata/broken")

// TestBroken holds the complete message of every broken scenario against its
// golden file.
func TestBroken(t *testing.T) {
	files, err := filepath.Glob("testdata/broken/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 40 {
		t.Fatalf("found %d broken scenarios", len(files))
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sc, err := Decode(name+".yaml", src)
			if err == nil || sc != nil {
				t.Fatalf("decoded to %+v, want an error and no scenario", sc)
			}
			checkPlaces(t, src, err)
			golden(t, strings.TrimSuffix(file, ".yaml")+".txt", err.Error()+"\n")
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// checkPlaces fails unless every problem stands in the file and they are
// sorted.
func checkPlaces(t *testing.T, src []byte, err error) {
	t.Helper()
	var p *Problems
	if !errors.As(err, &p) || len(p.List) == 0 {
		t.Fatalf("the error is %T, want *Problems with a problem", err)
	}
	lines := strings.Split(strings.TrimPrefix(string(src), "\ufeff"), "\n")
	for i, q := range p.List {
		if q.Line < 1 || q.Line > len(lines) {
			t.Fatalf("line %d of a file of %d: %s", q.Line, len(lines), q.Message)
		}
		line := strings.TrimSuffix(lines[q.Line-1], "\r")
		if q.Column < 1 || q.Column > utf8.RuneCountInString(line)+1 || q.Message == "" {
			t.Fatalf("column %d of the line %q: %s", q.Column, line, q.Message)
		}
		if len(src) <= maxBytes && q.Source != line {
			t.Fatalf("source %q, want %q", q.Source, line)
		}
		if i > 0 && (q.Line < p.List[i-1].Line || q.Line == p.List[i-1].Line && q.Column < p.List[i-1].Column) {
			t.Fatalf("%d:%d comes after a later problem", q.Line, q.Column)
		}
	}
}
