package guest

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"testbed/vm"
)

// layAll lays files down below a folder.
func layAll(t *testing.T, dir string, files ...vm.File) {
	t.Helper()
	for _, f := range files {
		f.Path = filepath.Join(dir, f.Path)
		if err := lay(f); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLay(t *testing.T) {
	defer unix.Umask(unix.Umask(0o077)) // modes are those of the job, whatever is masked
	dir := t.TempDir()
	layAll(t, dir,
		vm.File{Path: "a/b/program", Mode: 0o755, Data: []byte("program")},
		vm.File{Path: "a/b/secret", Mode: 0o600, Data: []byte("secret")},
		vm.File{Path: "a/empty", Mode: 0o666},
		vm.File{Path: "c/d", Mode: fs.ModeDir | 0o700},
		vm.File{Path: "c/d", Mode: fs.ModeDir | 0o700}, // it is there
		vm.File{Path: "c/d/inside", Mode: 0o644, Data: []byte("inside")},
		vm.File{Path: "e/link", Link: "../a/b/program"},
		vm.File{Path: "e/link", Link: "../a/b/program"}, // it is there
		vm.File{Path: "e/dangling", Link: "/absent"},
	)
	for _, want := range []struct {
		path, content string
		mode          fs.FileMode
	}{
		{"a/b/program", "program", 0o755}, {"a/b/secret", "secret", 0o600}, {"a/empty", "", 0o666},
		{"c/d/inside", "inside", 0o644}, {"e/link", "program", 0o755},
	} {
		path := filepath.Join(dir, want.path)
		content, err := os.ReadFile(path)
		if err != nil || string(content) != want.content {
			t.Errorf("%s holds %q, not %q: %v", want.path, content, want.content, err)
		}
		if st, err := os.Stat(path); err != nil || st.Mode() != want.mode {
			t.Errorf("%s: %v, not %v: %v", want.path, st.Mode(), want.mode, err)
		}
	}
	if st, err := os.Lstat(filepath.Join(dir, "c/d")); err != nil || st.Mode() != fs.ModeDir|0o700 {
		t.Errorf("folder: %v", err)
	}
	for name, want := range map[string]string{"link": "../a/b/program", "dangling": "/absent"} {
		if to, err := os.Readlink(filepath.Join(dir, "e", name)); err != nil || to != want {
			t.Errorf("%s leads to %q, not %q: %v", name, to, want, err)
		}
	}
	if list, err := os.ReadDir(filepath.Join(dir, "a/b")); err != nil || len(list) != 2 {
		t.Errorf("beside the files: %v, %v", list, err)
	}
}

// A job brings the library that the first process itself runs on.
func TestLayLeavesWhatIsInUse(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "libc.so.6")
	old := bytes.Repeat([]byte("old"), 2*os.Getpagesize())
	layAll(t, dir, vm.File{Path: "libc.so.6", Mode: 0o755, Data: old})
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	mapped, err := unix.Mmap(int(f.Fd()), 0, len(old), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(mapped)

	layAll(t, dir, vm.File{Path: "libc.so.6", Mode: 0o644, Data: []byte("new")})
	// Touching a mapping of a truncated file would end the test by a signal.
	if st, err := f.Stat(); err != nil || st.Size() != int64(len(old)) {
		t.Fatalf("the file in use has %d bytes, not %d: %v", st.Size(), len(old), err)
	}
	if !bytes.Equal(mapped, old) {
		t.Error("the file in use was overwritten")
	}
	content, err := os.ReadFile(path)
	if err != nil || string(content) != "new" {
		t.Errorf("at its path is %.9q, not the new file: %v", content, err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode() != 0o644 {
		t.Errorf("the new file's mode: %v, %v", st.Mode(), err)
	}
}

// What a link leads to is not the file that the job speaks of.
func TestLayReplacesALink(t *testing.T) {
	dir := t.TempDir()
	layAll(t, dir,
		vm.File{Path: "target", Mode: 0o644, Data: []byte("target")},
		vm.File{Path: "name", Link: "target"},
		vm.File{Path: "name", Mode: 0o644, Data: []byte("file")},
	)
	for name, want := range map[string]string{"target": "target", "name": "file"} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != want {
			t.Errorf("%s holds %q, not %q: %v", name, b, want, err)
		}
	}
}

func TestLayRefuses(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	layAll(t, dir, vm.File{Path: "file", Mode: 0o644}, vm.File{Path: "folder/inside", Mode: 0o644})
	for _, f := range []vm.File{
		{Path: "relative", Mode: 0o644}, {Path: "./relative", Mode: 0o644}, {Path: "new/relative", Mode: 0o644},
		{Path: "relative", Link: "/bin"}, {Path: "relative", Mode: fs.ModeDir | 0o755}, {Mode: 0o644},
		{Path: dir + "/file/below", Mode: 0o644}, {Path: dir + "/file", Mode: fs.ModeDir | 0o755}, {Path: dir + "/folder", Mode: 0o644},
	} {
		if err := lay(f); err == nil {
			t.Errorf("lay down %+v", f)
		}
	}
	for _, name := range []string{"relative", "new"} {
		if _, err := os.Lstat(name); err == nil {
			t.Errorf("%s was made", name)
		}
	}
}

func TestSetenv(t *testing.T) {
	const name = "TESTBED_SETENV"
	for pair, want := range map[string]string{name + "=": "", name + "=word": "word", name + "=a=b, c": "a=b, c"} {
		t.Setenv(name, "before")
		if err := setenv(pair); err != nil || os.Getenv(name) != want {
			t.Errorf("set %q: %q, not %q: %v", pair, os.Getenv(name), want, err)
		}
	}
	if err := setenv(name); err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("a name alone: %v", err)
	}
	for _, pair := range []string{"", "=value"} {
		if setenv(pair) == nil {
			t.Errorf("set %q", pair)
		}
	}
}
