package spec

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseVersion(t *testing.T) {
	for release, want := range map[string]Version{
		"6.18.5": {6, 18, 5}, "6.12.41+deb13-cloud-amd64": {6, 12, 41}, "6.1.0-37-cloud-amd64": {6, 1, 0}, "7.0-rc1": {7}, "5.15.0-1.2": {5, 15}, "6": {6},
		"6.12.41.5": {6, 12, 41},
	} {
		if got, err := ParseVersion(release); err != nil || got != want {
			t.Errorf("%s: %v, %v", release, got, err)
		}
	}
	for _, release := range []string{"", "linux", "v6.1", ".6", "-6", "99999999999.1"} {
		if got, err := ParseVersion(release); err == nil {
			t.Errorf("%q is version %v", release, got)
		}
	}
}

func TestKernels(t *testing.T) {
	for _, c := range []struct{ text, in, out string }{
		{">= 6.5", "6.5.0 6.5.9 6.12.1 7.0.0", "6.4.99 6.1.0 5.15.0"},
		{">=6.5.3", "6.5.3 6.6.0", "6.5.2 6.5.0"},
		{"> 6.5", "6.6.0 7.0.0", "6.5.0 6.5.12"},
		{"< 6.5", "6.4.99 5.0.0 0.0.1", "6.5.0 6.18.1"},
		{"<= 6.5", "6.5.99 6.1.0", "6.6.0 7.0.0"},
		{"6.1..6.4", "6.1.0 6.4.16 6.2.1", "6.0.9 6.5.0"},
		{"6.1 .. 6.1", "6.1.0 6.1.170", "6.0.0 6.2.0"},
		{"6.12", "6.12.0 6.12.41", "6.11.9 6.13.0 6.1.0"},
		{"6.12.41", "6.12.41", "6.12.40 6.12.42"},
		{"6", "6.0.0 6.99.0", "5.19.0 7.0.0"},
		{">= 0", "0.0.0 6.1.0", ""},
	} {
		k, complaint := parseKernels(c.text)
		if complaint != nil {
			t.Errorf("%s: %v", c.text, complaint)
			continue
		}
		for versions, want := range map[string]bool{c.in: true, c.out: false} {
			for _, v := range strings.Fields(versions) {
				release, err := ParseVersion(v)
				if err != nil || k.Contains(release) != want {
					t.Errorf("%s contains %s: want %v, %v", c.text, v, want, err)
				}
			}
		}
	}
	for _, text := range []string{"", "6.", ".5", "6..", "..6.5", ">= ", "6.5.1.1", "6.5-rc1", "6.x", "== 6.5", "!= 6.5", "< 0", "6.5, 6.6", "6.4..6.1", "-6.5", "06.5"} {
		if k, complaint := parseKernels(text); complaint == nil {
			t.Errorf("%q is %+v", text, k)
		}
	}
}

func TestKernelsOverlap(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{">= 6.5", "< 6.5", false}, {"> 6.5", "<= 6.5", false}, {">= 6.5", "<= 6.5", true}, {"6.5", ">= 6.5.9", true}, {"6.1..6.4", "6.5..6.9", false},
		{"6.1..6.4", "6.4.7", true}, {"6.12", "6.1", false}, {"6", "6.12", true}, {"> 6.5", "> 7", true}, {"< 6", "< 5", true}, {">= 0", "< 1", true},
	} {
		a, _ := parseKernels(c.a)
		b, _ := parseKernels(c.b)
		if a.overlaps(b) != c.want || b.overlaps(a) != c.want {
			t.Errorf("%s and %s overlap: want %v", c.a, c.b, c.want)
		}
	}
}

// TestExpectOn adds to what is expected of every kernel what is expected of the
// running one.
func TestExpectOn(t *testing.T) {
	sc := mustDecode(t, twoNodes+`
  - connect: b:80
    from: a
    expect:
      outcome: timed-out
      kernels:
        ">= 6.5": {syn_times: [0s, 1s, 2s], tolerance: 100ms}
        "< 6.5": {syn_times: [0s, 1s, 3s]}
        "6.12": {packets: {syn: 3}}
  - {connect: "b:80", from: a, expect: {outcome: refused}}
`)
	e := sc.Steps[0].Expect
	for release, want := range map[string]struct {
		syns    string
		applied []string
		keys    []string
	}{
		"6.1.0-37-amd64": {"3s", []string{"< 6.5"}, []string{"syn_times"}},
		"6.12.41":        {"2s", []string{">= 6.5", "6.12"}, []string{"tolerance", "syn_times", "packets"}},
		"6.18.5":         {"2s", []string{">= 6.5"}, []string{"tolerance", "syn_times"}},
	} {
		got, found, err := e.On(release)
		if err != nil {
			t.Fatal(err)
		}
		var applied, keys []string
		for _, k := range found {
			applied, keys = append(applied, k.Text), append(keys, k.Keys...)
		}
		if d := cmp.Diff(want.applied, applied) + cmp.Diff(want.keys, keys); d != "" || got.Outcome != "timed-out" || got.SynTimes[2].Text != want.syns {
			t.Errorf("%s: %+v\n%s", release, got, d)
		}
		if has := got.Packets != nil; has != (len(want.applied) == 2) {
			t.Errorf("%s: packets %v", release, got.Packets)
		}
	}
	if e.SynTimes != nil || e.Packets != nil || e.Tolerance != nil {
		t.Error("the expectation itself was changed")
	}
	if _, _, err := e.On("unknown"); err == nil {
		t.Error("a release without a version chooses among kernels")
	}
	if plain := sc.Steps[1].Expect; plain != mustOn(t, plain, "unknown") {
		t.Error("an expectation for every kernel depends on the kernel")
	}
}

func mustOn(t *testing.T, e *Expect, release string) *Expect {
	t.Helper()
	got, found, err := e.On(release)
	if err != nil || found != nil {
		t.Fatalf("%v, %v", found, err)
	}
	return got
}
