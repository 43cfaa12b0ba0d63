package image

import (
	"errors"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/u-root/u-root/pkg/ldd"

	"testbed/topo/sandbox"
	"testbed/vm/kernel/kerneltest"
)

const shell = "/bin/sh"

// interpreter is the dynamic linker that the shell of this machine names.
func interpreter(t *testing.T) string {
	t.Helper()
	path, err := ldd.GetInterp(shell)
	if err != nil {
		t.Fatal(err)
	}
	if path == "" {
		sandbox.SkipOrFail(t, errors.New("the shell of this machine is static"))
	}
	return path
}

func TestLibrariesOfTheShell(t *testing.T) {
	want := interpreter(t)
	files, err := Libraries(shell)
	if err != nil {
		t.Fatal(err)
	}
	paths := pathsOf(files)
	if !slices.Contains(paths, want) {
		t.Errorf("no interpreter %s in %q", want, paths)
	}
	libc := func(path string) bool { return strings.HasPrefix(filepath.Base(path), "libc.") }
	if !slices.ContainsFunc(paths, libc) {
		t.Errorf("no C library in %q", paths)
	}
	for i, f := range files {
		if slices.Index(paths, f.Path) != i {
			t.Errorf("%s is there twice", f.Path)
		}
		switch {
		case f.Link != "" && !slices.Contains(paths, f.Link):
			t.Errorf("%s leads to %s, which is not in %q", f.Path, f.Link, paths)
		case f.Link == "" && !isELF(f.Data):
			t.Errorf("%s is no library", f.Path)
		}
	}
}

// The files go into the image and the job, whose bytes are to be the same.
func TestLibrariesComeInOneOrder(t *testing.T) {
	interpreter(t)
	first, err := Libraries(shell)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if again, err := Libraries(shell); err != nil || !reflect.DeepEqual(again, first) {
			t.Fatalf("%q, and before %q: %v", pathsOf(again), pathsOf(first), err)
		}
	}
}

func TestProgramBringsItsLibraries(t *testing.T) {
	want := interpreter(t)
	script := put(t, folder(t), "script", []byte("#!"+shell+" -e\n"), 0o755)
	for _, name := range []string{shell, script} {
		files, err := Program(name)
		if err != nil {
			t.Fatal(err)
		}
		if paths := pathsOf(files); paths[0] != name || !slices.Contains(paths, shell) || !slices.Contains(paths, want) {
			t.Errorf("%s: %q", name, paths)
		}
	}
}

func TestLibrariesOfOthers(t *testing.T) {
	dir := folder(t)
	static := put(t, dir, "static", kerneltest.Module(), 0o755)
	if files, err := Libraries(static); err != nil || files != nil {
		t.Errorf("a static program is linked with %q: %v", pathsOf(files), err)
	}
	text := put(t, dir, "text", []byte("#!/bin/sh\n"), 0o755)
	for _, path := range []string{text, filepath.Join(dir, "absent")} {
		if files, err := Libraries(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("libraries of %s: %q, %v", path, pathsOf(files), err)
		}
	}
}
