package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"testbed/scenarios/report"
	"testbed/vm/guesttest"
)

func TestParseSeeds(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"7", "[7]"},
		{"1..4", "[1 2 3 4]"},
		{"1, 5 ,9..11", "[1 5 9 10 11]"},
		{"3..5,4,1", "[3 4 5 1]"},
		{"18446744073709551614..18446744073709551615", "[18446744073709551614 18446744073709551615]"},
		{"", `"" is no whole number`},
		{"1,,2", `"" is no whole number`},
		{"1..", `"" is no whole number`},
		{"1...3", `".3" is no whole number`},
		{"-1", `"-1" is no whole number`},
		{"18446744073709551616", "is no whole number"},
		{"5..3", "the range 5..3 ends before it begins"},
		{"0..18446744073709551615", "more than 1000000"},
		{"1..1000001", "more than 1000000"},
		{"1..1000000,0", "more than 1000000"},
	} {
		seeds, err := parseSeeds(c.text)
		got := fmt.Sprint(seeds)
		if err != nil {
			got = err.Error()
			if codeOf(err) != exitUsage {
				t.Errorf("%q: exit code %d", c.text, codeOf(err))
			}
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%q: %s, want %s", c.text, got, c.want)
		}
	}
}

// FuzzParseSeeds holds that seeds are few, and each there once.
func FuzzParseSeeds(f *testing.F) {
	for _, s := range []string{"1..500", "1,5,9..20", "..", "9..1", "0..18446744073709551615"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		seeds, err := parseSeeds(text)
		if err != nil {
			return
		}
		if len(seeds) == 0 || len(seeds) > maxSeedCount {
			t.Fatalf("%q: %d seeds", text, len(seeds))
		}
		slices.Sort(seeds)
		if len(slices.Compact(seeds)) != len(seeds) {
			t.Fatalf("%q: a seed is there twice", text)
		}
	})
}

func TestShellWord(t *testing.T) {
	for in, want := range map[string]string{"a/b-1.yaml": "a/b-1.yaml", "my file": "'my file'", "it's": `'it'\''s'`, "": "''", "$x": "'$x'"} {
		if got := shellWord(in); got != want {
			t.Errorf("%q becomes %s, want %s", in, got, want)
		}
	}
}

func TestSeedLine(t *testing.T) {
	if got, want := seedLine(25, 3, 100, 10*time.Second), "25 of 100 seeds, 3 failed | 2.5 a second | 30s left"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := seedLine(0, 0, 1, 0), "0 of 1 seed"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// lossy fails with the seeds whose handshake loses a packet.
const lossy = `name: lossy
nodes: {client: {}, server: {listen: [{port: 80, serve: hold}]}}
links: [{between: [client, server], delay: 20ms, loss: 20%}]
steps: [{connect: server:80, from: client, expect: {outcome: connected, connect_time: 2 owd}}]
`

// TestExploreRepeats holds that the seeds of an exploration fail and succeed, and
// that running a failed one alone shows that same failure.
func TestExploreRepeats(t *testing.T) {
	guesttest.Open(t, "6.12")
	dir := t.TempDir()
	file, seeds, alone := filepath.Join(dir, "lossy.yaml"), filepath.Join(dir, "seeds.json"), filepath.Join(dir, "alone.json")
	if err := os.WriteFile(file, []byte(lossy), 0o644); err != nil {
		t.Fatal(err)
	}
	program(t, exitUnmet, "explore", file, "--seeds", "1..10", "--kernel", "6.12", "--json", seeds)
	var e report.ExplorationDocument
	readJSON(t, seeds, &e)
	if e.Done != 10 || len(e.FailedSeeds) == 0 || len(e.FailedSeeds) == 10 {
		t.Fatalf("%d seeds, failed %v: 20%% loss lets some of ten pass and some fail", e.Done, e.FailedSeeds)
	}
	first := e.FailedSeeds[0]
	program(t, exitUnmet, "run", "--clock=virtual", "--kernel", e.Kernel, "--seed", strconv.FormatUint(first, 10), "--json", alone, file)
	if want := fmt.Sprintf("testbed run --clock=virtual --kernel %s --seed %d %s", e.Kernel, first, shellWord(file)); e.Command != want {
		t.Errorf("the command is %q, want %q", e.Command, want)
	}
	var d report.Document
	readJSON(t, alone, &d)
	i := slices.IndexFunc(e.Runs, func(r report.SeedRun) bool { return r.Seed == first })
	among, now := e.Runs[i].Steps[0], d.Scenarios[0].Steps[0]
	// A seed whose last ACK was lost has no time of acceptance.
	want := timesOf(among.ElapsedNS, among.ConnectTimeNS, among.AcceptTimeNS)
	if got := timesOf(now.ElapsedNS, now.ConnectTimeNS, now.AcceptTimeNS); got != want {
		t.Errorf("seed %d alone took %s; among others %s", first, got, want)
	}
}

// timesOf are a step's times in words, which compare.
func timesOf(elapsed int64, others ...*int64) string {
	text := fmt.Sprintf("%d ns", elapsed)
	for _, ns := range others {
		if ns == nil {
			text += ", none"
		} else {
			text += fmt.Sprintf(", %d ns", *ns)
		}
	}
	return text
}

// program runs the testbed, which must end with a code.
func program(t *testing.T, want int, args ...string) {
	t.Helper()
	out, err := exec.Command("testbed", args...).CombinedOutput()
	got := exitOK
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Fatalf("testbed %s: exit code %d, not %d\n%s", strings.Join(args, " "), got, want, out)
	}
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}
