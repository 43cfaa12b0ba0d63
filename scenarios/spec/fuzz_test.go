package spec

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"testbed/netem"
	"testbed/scenarios"
)

// FuzzDecode asserts that no input makes Decode panic, that every problem
// stands in the file, that the result is the same each time, that links ask for
// nothing that no medium can do, and that the schema accepts what Decode accepts.
func FuzzDecode(f *testing.F) {
	for _, file := range scenarios.Files() {
		src, err := scenarios.Library.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	more, err := filepath.Glob("testdata/broken/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(more, "testdata/every-key.yaml") {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		sc, err := Decode("fuzz.yaml", src)
		again, errAgain := Decode("fuzz.yaml", src)
		if err != nil {
			if sc != nil {
				t.Fatal("a scenario beside an error")
			}
			checkPlaces(t, src, err)
			if strings.Contains(err.Error(), brokenDecoder) {
				t.Fatal(err)
			}
			if errAgain == nil || err.Error() != errAgain.Error() {
				t.Fatalf("two messages:\n%v\n%v", err, errAgain)
			}
			return
		}
		if !reflect.DeepEqual(sc, again) {
			t.Fatal("two results")
		}
		carried(t, sc)
		if err := checkSchema(t, src); err != nil {
			t.Fatalf("the schema rejects what Decode accepts: %v", err)
		}
	})
}

// carried fails unless every state of every link is one that a medium can carry.
func carried(t *testing.T, sc *Scenario) {
	t.Helper()
	var all []netem.Impairment
	for _, l := range sc.Topology.Links {
		all = append(all, l.Toward[:]...)
	}
	for _, s := range sc.Steps {
		if s.Set != nil {
			all = append(all, s.Set.Toward[:]...)
		}
	}
	for _, i := range all {
		if err := i.Validate(); err != nil {
			t.Fatalf("%+v: %v", i, err)
		}
	}
}
