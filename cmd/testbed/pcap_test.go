package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gopacket/gopacket/pcapgo"
	"github.com/rogpeppe/go-internal/testscript"

	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
)

// checkPcapng is the script command `pcapng FILE INTERFACE…`: the file has these
// interfaces, and frames at each of them.
func checkPcapng(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: pcapng FILE INTERFACE…")
	}
	in, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer in.Close()
	r, err := pcapgo.NewNgReader(in, pcapgo.DefaultNgReaderOptions)
	ts.Check(err)
	frames := map[int]int{}
	for {
		_, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			break
		}
		ts.Check(err)
		frames[info.InterfaceIndex]++
	}
	var names []string
	for i := range r.NInterfaces() {
		f, err := r.Interface(i)
		ts.Check(err)
		names = append(names, f.Name)
		if frames[i] == 0 {
			ts.Fatalf("%s: no frame at %s", args[0], f.Name)
		}
	}
	if !slices.Equal(names, args[1:]) {
		ts.Fatalf("%s: interfaces %q, not %q", args[0], names, args[1:])
	}
}

// A name that comes from elsewhere than a checked file stays in the folder too.
func TestCaptureFilesStayInTheirFolder(t *testing.T) {
	top := t.TempDir()
	list := []*spec.Scenario{{Name: "../up"}, {Name: "a"}, {Name: "a-2"}, {Name: "a"}, {Name: "/etc/x"}, {Name: ".."}, {Name: ""}}
	f := &pcapFlag{dir: filepath.Join(top, "made", "here")}
	if err := f.open(list, true); err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		r := &verdict.Result{Scenario: s, Kernel: "../../6.1", Capture: &verdict.Capture{File: []byte(s.Name)}}
		f.then(func(*verdict.Result) {})(r)
		if r.Capture.File != nil {
			t.Errorf("%q: the file is kept in memory", s.Name)
		}
	}
	if err := f.failed(); err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := filepath.WalkDir(top, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			path, err = filepath.Rel(f.dir, path)
			got = append(got, path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	const kernel = "@_.._.._6.1.pcapng"
	want := []string{kernel, "_.._up" + kernel, "_etc_x" + kernel, "_.." + kernel, "a" + kernel, "a-2" + kernel, "a-3" + kernel}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
}
