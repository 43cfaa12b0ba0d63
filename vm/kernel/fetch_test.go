package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"testbed/vm/kernel/kerneltest"
)

var (
	security, stable = areas[0], areas[2]
)

// debian is a mirror as the archive is: the newest in the first area.
func debian(t *testing.T) *mirror {
	t.Helper()
	m := newMirror(t)
	m.publish(t, security, ".xz", packageOf(old612, "6.12.90-1~deb12u1"), packageOf(new612, "6.12.117-1~deb12u1"), packageOf(new61, "6.1.192-2"))
	m.publish(t, stable, ".xz", packageOf(old61, "6.1.176-1"))
	return m
}

func TestFetchTakesTheNewest(t *testing.T) {
	m := debian(t)
	for _, tt := range []struct{ version, release string }{
		{"6.12", new612.Release}, {"6.1", new61.Release}, {"6.1.176", old61.Release}, {"6.12.90", old612.Release}, {old61.Release, old61.Release},
	} {
		s := newStore(t)
		k, fresh, err := s.Fetch(t.Context(), tt.version, m.options())
		if err != nil || !fresh || k.Release != tt.release || k.Source != FromCache {
			t.Errorf("fetch %s: %s, not %s: %v", tt.version, k.Release, tt.release, err)
			continue
		}
		if found, err := s.Find(tt.version); err != nil || found != k || !found.Serves() {
			t.Errorf("find %s: %+v, not %+v: %v", tt.version, found, k, err)
		}
		if got := s.entries(t); !slices.Equal(got, []string{".lock", tt.release}) {
			t.Errorf("the store holds %v", got)
		}
	}
}

func TestFetchAgain(t *testing.T) {
	m, s := debian(t), newStore(t)
	for i, version := range []string{"6.12", "6.12", "6.12.117", new612.Release} {
		m.asked = nil
		k, fresh, err := s.Fetch(t.Context(), version, m.options())
		if err != nil || fresh != (i == 0) || k.Release != new612.Release {
			t.Errorf("fetch %s: %s, fresh %v: %v", version, k.Release, fresh, err)
		}
		if i >= 2 && len(m.asked) > 0 {
			t.Errorf("%s is here, and yet it asked for %v", version, m.asked)
		}
	}
	rebuilt := new612
	rebuilt.Build = "#1 SMP Debian 6.12.117-2~deb12u1 (2026-11-20)"
	m.publish(t, security, ".xz", packageOf(rebuilt, "6.12.117-2~deb12u1"))
	if k, fresh, err := s.Fetch(t.Context(), "6.12", m.options()); err != nil || !fresh || k.Build != rebuilt.Build {
		t.Errorf("a rebuilt kernel of the same release: %+v, fresh %v: %v", k, fresh, err)
	}
}

// A mirror need not hold the security area, nor the compressed index; and it may
// be named with the folder debian.
func TestFetchFromPartOfTheArchive(t *testing.T) {
	m := newMirror(t)
	clear(m.files)
	m.publish(t, stable, "", packageOf(old61, "6.1.176-1"))
	o := m.options()
	o.Mirror += "/debian/"
	if k, _, err := newStore(t).Fetch(t.Context(), "6.1", o); err != nil || k.Release != old61.Release {
		t.Errorf("%s, %v", k.Release, err)
	}
}

func TestFetchVersionThatIsNotThere(t *testing.T) {
	m, s := debian(t), newStore(t)
	_, _, err := s.Fetch(t.Context(), "6.14", m.options())
	var absent *NotInArchive
	if !errors.As(err, &absent) || !slices.Equal(absent.Have, []string{"6.12.117", "6.12.90", "6.1.192", "6.1.176"}) {
		t.Errorf("%v", err)
	}
	clear(m.files)
	if _, _, err = s.Fetch(t.Context(), "6.12", m.options()); !errors.Is(err, ErrNotServed) {
		t.Errorf("from an empty mirror: %v", err)
	}
}

// Whatever is wrong with a mirror, the store stays as it is.
func TestFetchFromBrokenMirror(t *testing.T) {
	foreign := newKey(t)
	for name, tt := range map[string]struct {
		breakIt func(*mirror)
		want    error
	}{
		"index of another key":    {func(m *mirror) { m.key = foreign; m.publish(t, security, ".xz", packageOf(new612, "6.12.117-1")) }, ErrSignature},
		"index without signature": {func(m *mirror) { m.files[m.path(t, "security", "InRelease")] = []byte("Codename: bookworm-security\n") }, ErrSignature},
		"index changed": {func(m *mirror) {
			p := m.path(t, "security", "InRelease")
			m.files[p] = bytes.Replace(m.files[p], []byte("Origin: Debian"), []byte("Origin: Demian"), 1)
		}, ErrSignature},
		"index of another suite": {func(m *mirror) {
			m.files[m.path(t, "security", "InRelease")] = m.files[m.path(t, "debian/", "updates", "InRelease")]
		}, ErrMismatch},
		"index of packages changed": {func(m *mirror) { flip(m.files[m.path(t, "security", "Packages.xz")]) }, ErrMismatch},
		"index of packages longer":  {func(m *mirror) { p := m.path(t, "security", "Packages.xz"); m.files[p] = append(m.files[p], 0) }, ErrMismatch},
		"package changed":           {func(m *mirror) { flip(m.files[m.path(t, "_6.12.117")]) }, ErrMismatch},
		"package cut":               {func(m *mirror) { p := m.path(t, "_6.12.117"); m.files[p] = m.files[p][:100] }, ErrMismatch},
		"package missing":           {func(m *mirror) { delete(m.files, m.path(t, "_6.12.117")) }, ErrNotServed},
		"package is another file": {func(m *mirror) {
			m.publish(t, security, ".xz", published{name: "linux-image-" + new612.Release, version: "6.12.117-1", deb: []byte("hello")})
		}, ErrNotDeb},
		"package outside of the archive": {func(m *mirror) {
			m.index(t, security, ".xz", fmt.Sprintf("Package: linux-image-%s\nVersion: 6.12.117-1\nFilename: ../../x\nSize: 1\nSHA256: %064d\n", new612.Release, 0))
		}, nil},
		"package without digest": {func(m *mirror) {
			m.index(t, security, ".xz", "Package: linux-image-"+new612.Release+"\nVersion: 6.12.117-1\nFilename: x\n")
		}, nil},
		"server error": {func(m *mirror) {
			m.serve = func(w http.ResponseWriter, r *http.Request) bool { w.WriteHeader(http.StatusBadGateway); return true }
		}, nil},
	} {
		m, s := debian(t), newStore(t)
		s.keep(t, old612)
		o := m.options()
		tt.breakIt(m)
		k, fresh, err := s.Fetch(t.Context(), "6.12", o)
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %+v: %v", name, k, err)
		}
		var of *MirrorError
		if !errors.Is(tt.want, ErrNotDeb) && !errors.As(err, &of) || fresh {
			t.Errorf("%s: fresh %v: %v", name, fresh, err)
		}
		if got := s.entries(t); !slices.Equal(got, []string{".lock", old612.Release}) {
			t.Errorf("%s: the store holds %v", name, got)
		}
	}
}

func flip(b []byte) { b[len(b)/2] ^= 1 }

// interrupted answers with the beginning of a package, and then calls then.
func interrupted(m *mirror, then func(r *http.Request)) {
	m.serve = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, ".deb") {
			return false
		}
		content := m.files[r.URL.Path]
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		w.Write(content[:len(content)/2])
		w.(http.Flusher).Flush()
		then(r)
		return true
	}
}

func TestFetchInterrupted(t *testing.T) {
	m, s := debian(t), newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	interrupted(m, func(r *http.Request) { cancel(); <-r.Context().Done() })
	if _, _, err := s.Fetch(ctx, "6.12", m.options()); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	interrupted(m, func(*http.Request) {})
	if _, _, err := s.Fetch(t.Context(), "6.12", m.options()); err == nil || !strings.Contains(err.Error(), "unexpected EOF") {
		t.Errorf("cut off: %v", err)
	}
	if got := s.entries(t); !slices.Equal(got, []string{".lock"}) {
		t.Errorf("the store holds %v", got)
	}
	m.serve = nil
	if _, _, err := s.Fetch(t.Context(), "6.12", m.options()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestDownloadFromSilentMirror(t *testing.T) {
	m := debian(t)
	interrupted(m, func(r *http.Request) { <-r.Context().Done() })
	d := downloader{client: newClient(), silence: 20 * time.Millisecond}
	var got bytes.Buffer
	err := d.get(t.Context(), m.url+m.path(t, "_6.12.117"), 1<<20, &got, func(int64) {})
	if !errors.Is(err, ErrStalled) {
		t.Errorf("after %d bytes: %v", got.Len(), err)
	}
}

// What a killed fetch left is removed by the next one.
func TestFetchSweeps(t *testing.T) {
	m, s := debian(t), newStore(t)
	unpackTo(t, filepath.Join(s.Dir, ".stage-123/kernel"), new612.Files())
	if k, err := s.Find("6.12"); err == nil {
		t.Errorf("it found %+v", k)
	}
	if _, _, err := s.Fetch(t.Context(), "6.1", m.options()); err != nil {
		t.Fatal(err)
	}
	if got := s.entries(t); !slices.Equal(got, []string{".lock", new61.Release}) {
		t.Errorf("the store holds %v", got)
	}
}

func TestFetchTwoAtOnce(t *testing.T) {
	m, s := debian(t), newStore(t)
	versions := []string{"6.12", "6.1", "6.12", "6.1", "6.12.90", "6.12"}
	errs := make(chan error, len(versions))
	for _, v := range versions {
		go func() {
			_, _, err := s.Fetch(t.Context(), v, m.options())
			errs <- err
		}()
	}
	for range versions {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if got := s.entries(t); !slices.Equal(got, []string{".lock", new61.Release, new612.Release, old612.Release}) {
		t.Errorf("the store holds %v", got)
	}
}

// One that waits for another can be interrupted.
func TestFetchWaits(t *testing.T) {
	m, s := debian(t), newStore(t)
	err := s.stage(t.Context(), func(Progress) {}, func(string) error {
		ctx, cancel := context.WithCancel(t.Context())
		o := m.options()
		o.Progress = func(p Progress) {
			if strings.HasPrefix(p.Doing, "wait for another") {
				cancel()
			}
		}
		_, _, err := s.Fetch(ctx, "6.12", o)
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestFetchTellsProgress(t *testing.T) {
	m, s := debian(t), newStore(t)
	var (
		doing []string
		last  = map[string]Progress{}
	)
	o := m.options()
	o.Progress = func(p Progress) {
		if !slices.Contains(doing, p.Doing) {
			doing = append(doing, p.Doing)
		}
		last[p.Doing] = p
	}
	if _, _, err := s.Fetch(t.Context(), "6.12", o); err != nil {
		t.Fatal(err)
	}
	name := "linux-image-" + new612.Release
	if want := []string{"read the index of bookworm-security", "download " + name, "unpack " + name}; !slices.Equal(doing, want) {
		t.Errorf("%q, not %q", doing, want)
	}
	size := int64(len(m.files[m.path(t, "_6.12.117")]))
	if p := last["download "+name]; p.Done != size || p.Total != size {
		t.Errorf("the download ended at %d of %d, not %d", p.Done, p.Total, size)
	}
	if p := last["unpack "+name]; p.Done == 0 || p.Done > size || p.Total != size {
		t.Errorf("unpacking ended at %d of %d, not %d", p.Done, p.Total, size)
	}
}

// The program carries the keys of the package debian-archive-keyring, and no other
// key will do.
func TestDebianKeyring(t *testing.T) {
	ring, err := debianKeyring()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, key := range ring {
		got[key.PrimaryIdentity().Name] = fmt.Sprintf("%X", key.PrimaryKey.Fingerprint)
	}
	want := map[string]string{
		"Debian Archive Automatic Signing Key (12/bookworm) <ftpmaster@debian.org>":          "B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8",
		"Debian Security Archive Automatic Signing Key (12/bookworm) <ftpmaster@debian.org>": "05AB90340C0C5E797F44A8C8254CF3B5AEC0A8F0",
		"Debian Stable Release Key (12/bookworm) <debian-release@lists.debian.org>":          "4D64FEC119C2029067D6E791F8D2585B8783D481",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	o := debian(t).options()
	o.Keys = nil
	if _, _, err := newStore(t).Fetch(t.Context(), "6.12", o); !errors.Is(err, ErrSignature) {
		t.Errorf("a foreign key: %v", err)
	}
}

func TestFetchFile(t *testing.T) {
	s, dir := newStore(t), t.TempDir()
	deb := filepath.Join(dir, "linux.deb")
	for _, ext := range []string{"", ".gz", ".xz", ".zst"} {
		k := graph(ext)
		k.Build = "#1 as" + ext
		if err := os.WriteFile(deb, kerneltest.Deb(ext, k.Files()...), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := s.FetchFile(t.Context(), deb, nil)
		if err != nil || got.Build != k.Build || got.Source != FromCache {
			t.Errorf("data.tar%s: %+v: %v", ext, got, err)
			continue
		}
		if list, err := got.Load("nft_nat"); err != nil || len(list) != 6 {
			t.Errorf("data.tar%s: %v, %v", ext, names(list), err)
		}
		if hz, err := got.Config("CONFIG_HZ"); hz != "250" || err != nil {
			t.Errorf("data.tar%s: CONFIG_HZ=%s: %v", ext, hz, err)
		}
	}
	if got := s.entries(t); !slices.Equal(got, []string{".lock", "6.12.5-test"}) {
		t.Errorf("the store holds %v", got)
	}
}
