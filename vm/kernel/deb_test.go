package kernel

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"testbed/vm/kernel/kerneltest"
)

// unpackInto unpacks a package into a fresh folder, and tells what is in it.
func unpackInto(t *testing.T, deb []byte) (files []string, err error) {
	t.Helper()
	dir := t.TempDir()
	err = unpackDeb(t.Context(), bytes.NewReader(deb), dir)
	walked := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			files = append(files, rel)
		}
		return err
	})
	if walked != nil {
		t.Fatal(walked)
	}
	return files, err
}

func TestUnpackTakesWhatAGuestNeeds(t *testing.T) {
	x := []byte("x")
	files, err := unpackInto(t, kerneltest.Deb(".xz",
		kerneltest.File{Name: "./boot/vmlinuz-6.1", Content: x},
		kerneltest.File{Name: "boot/config-6.1", Content: x},
		kerneltest.File{Name: "./boot/System.map-6.1", Content: x},
		kerneltest.File{Name: "./boot/grub/vmlinuz-6.1", Content: x},
		kerneltest.File{Name: "./usr/lib/modules/6.1/kernel/a.ko.xz", Content: kerneltest.Compress(".xz", x)},
		kerneltest.File{Name: "./lib/modules/6.1/modules.builtin", Content: x},
		kerneltest.File{Name: "./lib/modules/6.1/build", Link: "/usr/src/linux"},
		kerneltest.File{Name: "./lib/modules/6.1/hard.ko", Link: "./boot/vmlinuz-6.1", Hard: true},
		kerneltest.File{Name: "./usr/share/doc/copyright", Content: x},
		kerneltest.File{Name: "./etc/passwd", Content: x},
	))
	want := []string{"boot/config-6.1", "boot/vmlinuz-6.1", "lib/modules/6.1/kernel/a.ko", "lib/modules/6.1/modules.builtin"}
	if err != nil || !slices.Equal(files, want) {
		t.Errorf("%v, not %v: %v", files, want, err)
	}
}

func TestUnpackHostilePackage(t *testing.T) {
	x := []byte("x")
	for name, list := range map[string][]kerneltest.File{
		"parent":                          {{Name: "../lib/modules/6.1/x.ko", Content: x}},
		"parent inside":                   {{Name: "./lib/modules/../../../x.ko", Content: x}},
		"absolute":                        {{Name: "/lib/modules/6.1/x.ko", Content: x}},
		"twice":                           {{Name: "./boot/vmlinuz-6.1", Content: x}, {Name: "boot/./vmlinuz-6.1", Content: x}},
		"a module twice":                  {{Name: "./lib/modules/6.1/x.ko", Content: x}, {Name: "./lib/modules/6.1/x.ko.gz", Content: kerneltest.Compress(".gz", x)}},
		"a file below a file":             {{Name: "./lib/modules/6.1", Content: x}, {Name: "./lib/modules/6.1/x.ko", Content: x}},
		"a module that is not compressed": {{Name: "./lib/modules/6.1/x.ko.xz", Content: x}},
	} {
		dir := t.TempDir()
		into := filepath.Join(dir, "a/b")
		if err := os.MkdirAll(into, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unpackDeb(t.Context(), bytes.NewReader(kerneltest.Deb(".xz", list...)), into); err == nil {
			t.Errorf("%s: it unpacked", name)
		}
		if out, _ := filepath.Glob(filepath.Join(dir, "*/*.ko")); out != nil {
			t.Errorf("%s: it wrote %v", name, out)
		}
	}
}

// A link is never followed: it is not there.
func TestUnpackThroughLink(t *testing.T) {
	outside := t.TempDir()
	files, err := unpackInto(t, kerneltest.Deb(".xz",
		kerneltest.File{Name: "./lib/modules/6.1", Link: outside},
		kerneltest.File{Name: "./lib/modules/6.1/x.ko", Content: []byte("x")},
	))
	if err != nil || !slices.Equal(files, []string{"lib/modules/6.1/x.ko"}) {
		t.Errorf("%v, %v", files, err)
	}
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Errorf("it wrote outside: %v", left)
	}
}

func TestUnpackBoundsItsOutput(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	u := unpacker{root: root, left: 10}
	if err := u.write("a", strings.NewReader("0123456789")); err != nil {
		t.Error(err)
	}
	if err := u.write("b", strings.NewReader("0")); err == nil {
		t.Error("it wrote more than it may")
	}
}

func TestFetchFileThatIsNoKernel(t *testing.T) {
	good := kerneltest.Deb(".xz", new612.Files()...)
	image := kerneltest.File{Name: "./boot/vmlinuz-6.1", Content: kerneltest.Image("6.1.0 (me) #1")}
	for name, tt := range map[string]struct {
		deb  []byte
		want error
	}{
		"empty":            {nil, ErrNotDeb},
		"text":             {[]byte("hello, this is no package"), ErrNotDeb},
		"cut":              {good[:len(good)-200], nil},
		"cut in a header":  {good[:30], ErrNotDeb},
		"other ar archive": {[]byte("!<arch>\nx.o/            0           0     0     644     0         `\n"), ErrNotDeb},
		"negative size":    {[]byte("!<arch>\ndebian-binary   0           0     0     644     -4        `\n2.0\n"), ErrNotDeb},
		"no data":          {good[:8+60+4], ErrNotDeb},
		"no kernel":        {kerneltest.Deb(".xz", kerneltest.File{Name: "./usr/bin/x", Content: []byte("x")}), ErrNoKernel},
		"for another CPU":  {kerneltest.Deb(".xz", kerneltest.File{Name: "./boot/vmlinuz-6.1", Content: []byte("MZ")}), ErrNotBzImage},
		"no modules":       {kerneltest.Deb(".xz", image), ErrNoKernel},
	} {
		s, deb := newStore(t), filepath.Join(t.TempDir(), "x.deb")
		if err := os.WriteFile(deb, tt.deb, 0o644); err != nil {
			t.Fatal(err)
		}
		k, err := s.FetchFile(t.Context(), deb, nil)
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), deb) {
			t.Errorf("%s: %+v: %v", name, k, err)
		}
		if got := s.entries(t); !slices.Equal(got, []string{".lock"}) {
			t.Errorf("%s: the store holds %v", name, got)
		}
	}
}

func TestUnpackInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	deb := bytes.NewReader(kerneltest.Deb(".xz", new612.Files()...))
	err := unpackDeb(ctx, &watched{r: deb, seen: func(int64) { cancel() }}, t.TempDir())
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func FuzzDebData(f *testing.F) {
	f.Add(kerneltest.Deb("", kerneltest.File{Name: "./boot/vmlinuz-6.1", Content: []byte("x")}))
	f.Add([]byte("!<arch>\ndebian-binary   0           0     0     644     9223372036854775807`\n2.0\n"))
	f.Fuzz(func(t *testing.T, deb []byte) {
		data, ext, err := debData(bytes.NewReader(deb))
		if err == nil && (data == nil || strings.Contains(ext, " ")) {
			t.Errorf("data %v, extension %q", data, ext)
		}
	})
}

func FuzzPackages(f *testing.F) {
	f.Add("Package: linux-image-6.12.117+deb12-cloud-amd64\nVersion: 6.12.117-1~deb12u1\nFilename: pool/x.deb\nSize: 5\nSHA256: " + strings.Repeat("0", 64) + "\n\nPackage: bash\n")
	f.Fuzz(func(t *testing.T, index string) {
		list, err := parsePackages(strings.NewReader(index))
		for _, p := range list {
			if err == nil && (!filepath.IsLocal(p.file) || p.digest.size < 0 || len(p.digest.sha256) != 64) {
				t.Errorf("%+v", p)
			}
		}
		parseRelease([]byte(index))
	})
}
