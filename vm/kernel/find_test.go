package kernel

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"testbed/vm/kernel/kerneltest"
)

// serving is a kernel that has all that is required.
func serving(release, build string) kerneltest.Kernel {
	k := kerneltest.Kernel{Release: release, Build: build, Modules: map[string]string{}}
	for i, name := range Required {
		if i%2 == 0 {
			k.Builtin = append(k.Builtin, name)
		} else {
			k.Modules[name] = ""
		}
	}
	return k
}

// newStore is a store beside an empty host.
func newStore(t *testing.T) Store {
	t.Helper()
	dir := t.TempDir()
	return Store{Dir: filepath.Join(dir, "kernels"), Host: filepath.Join(dir, "host")}
}

// keep puts kernels into the store, as a fetch does.
func (s Store) keep(t *testing.T, list ...kerneltest.Kernel) {
	t.Helper()
	for _, k := range list {
		unpackTo(t, filepath.Join(s.Dir, k.Release), k.Files())
	}
}

var (
	old61  = serving("6.1.0-50-cloud-amd64", "#1 SMP Debian 6.1.176-1 (2026-06-01)")
	new61  = serving("6.1.0-56-cloud-amd64", "#1 SMP Debian 6.1.192-2 (2026-11-16)")
	new612 = serving("6.12.117+deb12-cloud-amd64", "#1 SMP Debian 6.12.117-1~deb12u1 (2026-11-14)")
	old612 = serving("6.12.90+deb12-cloud-amd64", "#1 SMP Debian 6.12.90-1~deb12u1 (2026-01-14)")
	bare   = kerneltest.Kernel{Release: "7.0.1-bare", Build: "#1"}
)

func TestFindByName(t *testing.T) {
	s := newStore(t)
	s.keep(t, old61, new61, old612, new612, bare)
	for _, tt := range []struct{ name, release string }{
		{"", new612.Release}, {"6", new612.Release}, {"6.12", new612.Release}, {"6.1", new61.Release},
		{"6.12.90", old612.Release}, {"6.1.176", old61.Release}, {"6.1.192", new61.Release},
		{old61.Release, old61.Release}, {new612.Release, new612.Release}, {"7.0", bare.Release},
	} {
		k, err := s.Find(tt.name)
		if err != nil || k.Release != tt.release || k.Source != FromCache {
			t.Errorf("find %q: %s from %s, not %s: %v", tt.name, k.Release, k.Source, tt.release, err)
		}
	}
	for _, name := range []string{"6.11", "6.2", "1.6", "6.12.1", "6.1.0-5", "6.12.117+deb12", ".", "nothing"} {
		var none *NotFound
		if k, err := s.Find(name); !errors.As(err, &none) {
			t.Errorf("find %q: %+v, %v", name, k, err)
		}
	}
}

func TestFindPrefersWhatWasFetched(t *testing.T) {
	s := newStore(t)
	s.keep(t, new61)
	newer := serving("7.0.0-1-generic", "#1")
	unpackTo(t, s.Host, newer.Files())
	unpackTo(t, s.Host, bare.Files())
	for name, want := range map[string]string{"": new61.Release, "7.0": newer.Release, "7.0.1": bare.Release} {
		if k, err := s.Find(name); err != nil || k.Release != want {
			t.Errorf("find %q: %s, not %s: %v", name, k.Release, want, err)
		}
	}
	list, err := s.List()
	var got []string
	for _, k := range list {
		got = append(got, string(k.Source)+" "+k.Release)
	}
	want := []string{"cache " + new61.Release, "boot " + newer.Release, "boot " + bare.Release}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("list (-want +got):\n%s%v", diff, err)
	}
}

// Fedora keeps the image beside its modules.
func TestFindImageInModules(t *testing.T) {
	s := newStore(t)
	for _, f := range new612.Files() {
		f.Name = strings.ReplaceAll(f.Name, "boot/vmlinuz-"+new612.Release, "lib/modules/"+new612.Release+"/vmlinuz")
		unpackTo(t, s.Host, []kerneltest.File{f})
	}
	k, err := s.Find("6.12")
	if err != nil || k.Source != FromBoot || k.Modules != filepath.Join(s.Host, "lib/modules", new612.Release) {
		t.Errorf("%+v, %v", k, err)
	}
}

func TestFindByPath(t *testing.T) {
	s, dir := newStore(t), t.TempDir()
	unpackTo(t, dir, new61.Files())
	image := filepath.Join(dir, "boot/vmlinuz-"+new61.Release)
	modules := filepath.Join(dir, "lib/modules", new61.Release)
	lone := filepath.Join(t.TempDir(), "bzImage")
	merged := t.TempDir()
	for _, f := range new61.Files() {
		f.Name = strings.ReplaceAll(f.Name, "./lib", "./usr/lib")
		unpackTo(t, merged, []kerneltest.File{f})
	}
	content, err := os.ReadFile(image)
	if err := errors.Join(err, os.WriteFile(lone, content, 0o644)); err != nil {
		t.Fatal(err)
	}
	var none *NoModules
	if _, err := s.Find(lone); !errors.As(err, &none) || !slices.Contains(none.Looked, filepath.Join(s.Host, "lib/modules", new61.Release)) {
		t.Errorf("without modules: %v", err)
	}
	unpackTo(t, s.Host, new61.Files())
	for path, want := range map[string]string{
		dir: modules, image: modules, lone: filepath.Join(s.Host, "lib/modules", new61.Release),
		merged: filepath.Join(merged, "usr/lib/modules", new61.Release),
	} {
		if k, err := s.Find(path); err != nil || k.Modules != want || k.Source != FromPath || k.Version != "6.1.192" {
			t.Errorf("find %s: %+v, %v", path, k, err)
		}
	}
	t.Chdir(filepath.Dir(lone))
	if k, err := s.Find("bzImage"); err != nil || k.Image != lone {
		t.Errorf("a file that is here: %+v, %v", k, err)
	}
	if _, err := s.Find(filepath.Join(modules, "modules.builtin")); !errors.Is(err, ErrNotBzImage) {
		t.Errorf("no image: %v", err)
	}
}

func TestNotFoundTellsWhatToDo(t *testing.T) {
	s := newStore(t)
	_, err := s.Find("")
	want := "no kernel that can run a virtual clock\n  looked in " + s.Dir + ", " + s.Host + "/boot, " + s.Host + "/lib/modules\nGet one from Debian's archive: testbed kernel fetch 6.12"
	if err == nil || err.Error() != want {
		t.Errorf("%v\nnot\n%s", err, want)
	}
	s.keep(t, new61, bare)
	_, err = s.Find("6.14.2")
	for _, want := range []string{"no kernel 6.14.2\n", "\n  there is " + new61.Release + "\n", "\n  there is 7.0.1-bare, without veth, sch_netem, ", "\nGet one from Debian's archive: testbed kernel fetch 6.14.2"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %q", err, want)
		}
	}
}

// What can't be read is told, and hides nothing else.
func TestListTellsOfBrokenKernels(t *testing.T) {
	s := newStore(t)
	s.keep(t, new61, new612)
	image := filepath.Join(s.Dir, new612.Release, "boot/vmlinuz-"+new612.Release)
	if err := os.WriteFile(image, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	list, err := s.List()
	if len(list) != 1 || list[0].Release != new61.Release || err == nil || !strings.Contains(err.Error(), new612.Release) {
		t.Errorf("%v, %v", list, err)
	}
	if _, err := s.Find("6.12"); !errors.Is(err, ErrNotBzImage) {
		t.Errorf("find: %v", err)
	}
}

func TestUse(t *testing.T) {
	s := newStore(t)
	if _, err := s.Use("6.1"); err == nil {
		t.Error("it uses what is not there")
	}
	s.keep(t, old61, new612)
	if k, err := s.Use("6.1"); err != nil || k.Release != old61.Release {
		t.Errorf("use: %s, %v", k.Release, err)
	}
	expect := func(want string) {
		t.Helper()
		if k, err := s.Find(""); err != nil || k.Release != want {
			t.Errorf("find: %s, not %s: %v", k.Release, want, err)
		}
	}
	expect(old61.Release)
	s.keep(t, new61)
	expect(new61.Release)
	dir := t.TempDir()
	unpackTo(t, dir, old612.Files())
	t.Chdir(filepath.Dir(dir))
	if _, err := s.Use("./" + filepath.Base(dir)); err != nil {
		t.Error(err)
	}
	t.Chdir("/")
	expect(old612.Release)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Find(""); err == nil || !strings.Contains(err.Error(), "testbed kernel use auto") {
		t.Errorf("the chosen one is gone: %v", err)
	}
	for range 2 {
		if err := s.UseAny(); err != nil {
			t.Error(err)
		}
	}
	expect(new612.Release)
}

func TestRemove(t *testing.T) {
	s := newStore(t)
	s.keep(t, old61, new61, new612)
	unpackTo(t, s.Host, bare.Files())
	var (
		which *Ambiguous
		none  *NotFound
	)
	if _, err := s.Remove(t.Context(), "6.1"); !errors.As(err, &which) || !slices.Equal(which.Releases, []string{new61.Release, old61.Release}) {
		t.Errorf("remove one of two: %v", err)
	}
	for _, name := range []string{"", bare.Release, "../host", "6.13"} {
		if _, err := s.Remove(t.Context(), name); !errors.As(err, &none) {
			t.Errorf("remove %q: %v", name, err)
		}
	}
	for _, tt := range []struct{ name, release string }{{"6.1.192", new61.Release}, {"6.1", old61.Release}, {new612.Release, new612.Release}} {
		if k, err := s.Remove(t.Context(), tt.name); err != nil || k.Release != tt.release {
			t.Errorf("remove %s: %s, not %s: %v", tt.name, k.Release, tt.release, err)
		}
	}
	if left := s.entries(t); !slices.Equal(left, []string{".lock"}) {
		t.Errorf("left: %v", left)
	}
}

// entries are the names in the store.
func (s Store) entries(t *testing.T) (names []string) {
	t.Helper()
	list, err := os.ReadDir(s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func TestDefaultStore(t *testing.T) {
	t.Setenv("HOME", "/home/me")
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv(CacheEnv, "")
	for _, tt := range []struct{ env, value, dir string }{
		{"HOME", "/home/me", "/home/me/.cache/testbed/kernels"},
		{"XDG_CACHE_HOME", "/cache", "/cache/testbed/kernels"},
		{CacheEnv, "/elsewhere", "/elsewhere/kernels"},
	} {
		t.Setenv(tt.env, tt.value)
		if s, err := Default(); err != nil || s.Dir != tt.dir || s.Host != "/" {
			t.Errorf("with %s: %+v, %v", tt.env, s, err)
		}
	}
}
