package image

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"testbed/vm"
	"testbed/vm/kernel/kerneltest"
)

// folder is an empty folder whose path has no symbolic link in it.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// put makes a file in a folder and returns its path.
func put(t *testing.T, dir, name string, content []byte, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, content, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func link(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}

// search makes a folder the only one where programs are looked for, with static
// programs of these names.
func search(t *testing.T, names ...string) (dir string) {
	t.Helper()
	dir = folder(t)
	t.Setenv("PATH", dir)
	for _, name := range names {
		put(t, dir, name, kerneltest.Module("name="+name), 0o755)
	}
	return dir
}

func pathsOf(files []vm.File) (paths []string) {
	for _, f := range files {
		paths = append(paths, f.Path)
	}
	return paths
}

// within are the paths of names in a folder.
func within(dir string, names ...string) (paths []string) {
	for _, name := range names {
		paths = append(paths, filepath.Join(dir, name))
	}
	return paths
}

func TestPrograms(t *testing.T) {
	dir := search(t, "sh", "cat", "sort", "env", "python3")
	put(t, dir, "serve", []byte("#! "+dir+"/env python3 -u\nprint()\n"), 0o755)
	put(t, dir, "wrap", []byte("#!"+dir+"/serve\n"), 0o755) // its interpreter is a script too
	put(t, dir, "bare", []byte("#!"), 0o755)
	put(t, dir, "text", []byte("echo no first line\n"), 0o755)
	put(t, dir, "broken", []byte("\x7fELF"), 0o755)
	put(t, dir, "empty", nil, 0o755)
	put(t, dir, "notes", []byte("#!"+dir+"/sh\n"), 0o644)
	for _, tt := range []struct {
		name     string
		commands [][]string
		want     []string
	}{
		{"none", nil, nil},
		{"by name", [][]string{{"cat"}}, []string{"cat"}},
		{"by path", [][]string{{dir + "/cat"}}, []string{"cat"}},
		{"by name and by path", [][]string{{"cat"}, {dir + "/cat"}}, []string{"cat"}},
		{"no programs", [][]string{{"absent", "notes", "-c", ".", "..", "", "/", dir}}, nil},
		{"of a shell's command", [][]string{{"sh", "-c", "cat x | sort"}}, []string{"sh", "cat", "sort"}},
		{"without blanks", [][]string{{"sh", "-c", `A="$(cat<x)";sort&env`}}, []string{"sh", "cat", "sort", "env"}},
		{"as a value", [][]string{{"--shell=sh,cat"}}, []string{"sh", "cat"}},
		{"part of a word", [][]string{{"cat-x", "xcat", "sort.txt"}}, nil},
		{"twice", [][]string{{"cat", "cat"}, {"sort", "cat"}, {"sh", "-c", "cat; sort"}}, []string{"cat", "sort", "sh"}},
		{"a script", [][]string{{"serve"}}, []string{"serve", "env", "python3"}},
		{"a script's script", [][]string{{"wrap"}}, []string{"wrap", "serve", "env", "python3"}},
		{"two with one interpreter", [][]string{{"serve", "wrap", "env"}}, []string{"serve", "env", "python3", "wrap"}},
		{"what only the guest can refuse", [][]string{{"bare", "text", "broken", "empty"}}, []string{"bare", "text", "broken", "empty"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files, err := Programs(tt.commands)
			if got, want := pathsOf(files), within(dir, tt.want...); err != nil || !slices.Equal(got, want) {
				t.Errorf("programs of %q: %q, not %q: %v", tt.commands, got, want, err)
			}
		})
	}
}

func TestProgramIsWhatTheHostHas(t *testing.T) {
	dir := search(t)
	content := kerneltest.Module("name=tool")
	path := put(t, dir, "tool", content, 0o750)
	files, err := Program("tool")
	if want := []vm.File{{Path: path, Mode: 0o750, Data: content}}; err != nil || !reflect.DeepEqual(files, want) {
		t.Errorf("%+v, not %+v: %v", files, want, err)
	}
}

func TestProgramThatCanNotBeRead(t *testing.T) {
	path := put(t, search(t), "secret", kerneltest.Module(), 0o111)
	if _, err := os.ReadFile(path); err == nil {
		t.Skip("this user may read everything")
	}
	if files, err := Program("secret"); err == nil || !strings.Contains(err.Error(), "secret") {
		t.Errorf("%+v: %v", files, err)
	}
}

func TestProgramBehindLinks(t *testing.T) {
	dir := search(t, "tool-2")
	if err := os.Mkdir(filepath.Join(dir, "real"), 0o755); err != nil {
		t.Fatal(err)
	}
	link(t, "tool-2", filepath.Join(dir, "tool"))                       // beside it
	link(t, filepath.Join(dir, "tool"), filepath.Join(dir, "absolute")) // a link to a link
	link(t, "../absolute", filepath.Join(dir, "real", "up"))            // up a folder
	link(t, "real", filepath.Join(dir, "folder"))                       // a folder
	type step struct{ path, to string }
	chain := []step{{"folder/up", "real/up"}, {"real/up", "absolute"}, {"absolute", "tool"}, {"tool", "tool-2"}, {"tool-2", ""}}
	for i, start := range chain {
		files, err := Program(filepath.Join(dir, start.path))
		if err != nil || len(files) != len(chain)-i {
			t.Fatalf("%s: %q: %v", start.path, pathsOf(files), err)
		}
		for j, s := range chain[i:] {
			f, to := files[j], s.to
			if to != "" {
				to = filepath.Join(dir, to)
			}
			if f.Path != filepath.Join(dir, s.path) || f.Link != to || (to == "") != (f.Data != nil) {
				t.Errorf("%s: file %d is %s -> %q, not %s -> %q", start.path, j, f.Path, f.Link, s.path, to)
			}
		}
	}
}

func TestFollowEnds(t *testing.T) {
	dir := folder(t)
	link(t, "self", filepath.Join(dir, "self"))
	link(t, "b", filepath.Join(dir, "a"))
	link(t, "a", filepath.Join(dir, "b"))
	link(t, "absent", filepath.Join(dir, "dangling"))
	for _, name := range []string{"self", "a", "self/x", "a/x", "dangling", "absent"} {
		if files, err := follow(filepath.Join(dir, name)); err == nil {
			t.Errorf("follow %s: %q", name, pathsOf(files))
		}
	}
}
