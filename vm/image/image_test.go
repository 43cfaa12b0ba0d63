package image

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/u-root/u-root/pkg/cpio"

	"testbed/vm"
	"testbed/vm/kernel"
	"testbed/vm/kernel/kerneltest"
)

// unpack makes a kernel of it on disk.
func unpack(t *testing.T, k kerneltest.Kernel) kernel.Kernel {
	t.Helper()
	dir := folder(t)
	for _, f := range k.Files() {
		at := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Dir(at), filepath.Base(at), f.Content, 0o644)
	}
	return kernel.Kernel{
		Release: k.Release, Build: k.Build,
		Image:   filepath.Join(dir, "boot", "vmlinuz-"+k.Release),
		Modules: filepath.Join(dir, "lib", "modules", k.Release),
	}
}

// serving has all that a guest requires, tun of what is optional, and something
// that no guest asks for.
func serving() kerneltest.Kernel {
	k := kerneltest.Kernel{
		Release: "6.1.0-1-test", Build: "#1", Ext: ".xz", Builtin: []string{"ipv6"},
		Modules: map[string]string{"nf_nat": "nf_conntrack", "tun": "", "floppy": ""},
	}
	for _, name := range kernel.Required {
		if name != "ipv6" {
			k.Modules[name] = ""
		}
	}
	k.Modules["nft_chain_nat"] = "nf_tables,nf_nat"
	return k
}

func read(t *testing.T, image []byte) (records []cpio.Record) {
	t.Helper()
	records, err := cpio.ReadAllRecords(cpio.Newc.Reader(bytes.NewReader(image)))
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func content(t *testing.T, r cpio.Record) []byte {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(r, 0, int64(r.FileSize)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBuild(t *testing.T) {
	program := kerneltest.Module("name=program")
	image, err := Build(unpack(t, serving()), put(t, folder(t), "program", program, 0o700))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]cpio.Record{}
	var inOrder []string
	for _, r := range read(t, image) {
		// The kernel makes no folders that the archive does not have before their
		// files (init/initramfs.c).
		if dir := path.Dir(r.Name); dir != "." && files[dir].Mode&cpio.S_IFMT != cpio.S_IFDIR {
			t.Errorf("%s comes before its folder", r.Name)
		}
		files[r.Name] = r
		if strings.HasSuffix(r.Name, ".ko") {
			inOrder = append(inOrder, path.Base(r.Name))
		}
	}
	if r := files[vm.ProgramPath[1:]]; r.ReaderAt == nil || !bytes.Equal(content(t, r), program) || r.Mode != cpio.S_IFREG|0o755 {
		t.Errorf("the first process: %v", r)
	}
	if r := files["dev/console"]; r.Mode&cpio.S_IFMT != cpio.S_IFCHR || r.Rmajor != 5 || r.Rminor != 1 {
		t.Errorf("the console: %v", r)
	}
	r, ok := files[vm.ManifestPath[1:]]
	if !ok {
		t.Fatal("no manifest")
	}
	var m vm.Manifest
	if err := json.Unmarshal(content(t, r), &m); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(m.Modules, inOrder) {
		t.Errorf("the manifest has %q, the image %q", m.Modules, inOrder)
	}
	modules(t, m, files)
}

// modules checks that they are those that the kernel has, what is needed first.
func modules(t *testing.T, m vm.Manifest, files map[string]cpio.Record) {
	t.Helper()
	at := map[string]int{}
	for i, file := range m.Modules {
		_, name, _ := strings.Cut(strings.TrimSuffix(file, ".ko"), "-")
		at[name] = i
		if ko := content(t, files[path.Join(vm.ModulesDir, file)[1:]]); !bytes.Contains(ko, []byte("name="+name+"\x00")) {
			t.Errorf("%s is another module: %q", file, ko)
		}
	}
	for _, name := range append([]string{"tun", "nf_nat"}, kernel.Required...) {
		if _, ok := at[name]; ok == (name == "ipv6") {
			t.Errorf("%s among the modules: %v", name, ok)
		}
	}
	if _, ok := at["floppy"]; ok {
		t.Error("a module that nobody asked for")
	}
	if at["nf_conntrack"] > at["nf_nat"] || at["nf_nat"] > at["nft_chain_nat"] || at["nf_tables"] > at["nft_chain_nat"] {
		t.Errorf("a module comes before what it needs: %q", m.Modules)
	}
	if !slices.IsSorted(m.Modules) {
		t.Errorf("the names are not in the order of loading: %q", m.Modules)
	}
}

func TestBuildTwice(t *testing.T) {
	k, dir := unpack(t, serving()), folder(t)
	for _, program := range []string{put(t, dir, "program", kerneltest.Module(), 0o755), put(t, dir, "sh", mustRead(t, shell), 0o755)} {
		first, err := Build(k, program)
		if err != nil {
			t.Fatal(err)
		}
		long := time.Now().Add(-time.Hour)
		if err := os.Chtimes(program, long, long); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			again, err := Build(k, program)
			if err != nil || !bytes.Equal(again, first) {
				t.Fatalf("%s: another image of %d bytes, not %d: %v", program, len(again), len(first), err)
			}
		}
	}
}

func TestBuildTakesLibrariesAlong(t *testing.T) {
	want := interpreter(t)
	image, err := Build(unpack(t, serving()), shell)
	if err != nil {
		t.Fatal(err)
	}
	records := read(t, image)
	libraries, err := Libraries(shell)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range libraries {
		i := slices.IndexFunc(records, func(r cpio.Record) bool { return "/"+r.Name == f.Path })
		if i < 0 {
			t.Errorf("no %s", f.Path)
			continue
		}
		data := f.Data
		if f.Link != "" {
			data = []byte(f.Link)
		}
		if r := records[i]; (r.Mode&cpio.S_IFMT == cpio.S_IFLNK) != (f.Link != "") || !bytes.Equal(content(t, r), data) {
			t.Errorf("%s is not what it is here: %v", f.Path, r)
		}
	}
	if !slices.Contains(pathsOf(libraries), want) {
		t.Errorf("no interpreter %s", want)
	}
}

func TestBuildRefuses(t *testing.T) {
	dir := folder(t)
	program := put(t, dir, "program", kerneltest.Module(), 0o755)
	k := unpack(t, serving())
	if _, err := Build(k, filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no program: %v", err)
	}
	if _, err := Build(k, put(t, dir, "text", []byte("#!/bin/sh\n"), 0o755)); err == nil {
		t.Error("a script as the first process")
	}
	lacking := serving()
	delete(lacking.Modules, "sch_netem")
	var none *kernel.NoModule
	if _, err := Build(unpack(t, lacking), program); !errors.As(err, &none) || none.Name != "sch_netem" {
		t.Errorf("a kernel without netem: %v", err)
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
