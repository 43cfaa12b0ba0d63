package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
)

// DefaultMirror holds Debian's archive.
const DefaultMirror = "https://deb.debian.org"

// area is a part of Debian's archive with an index of its own.
type area struct{ folder, suite string }

// areas hold kernels, those first whose kernels are newer.
var areas = []area{
	{"debian-security", "bookworm-security"},
	{"debian", "bookworm-updates"},
	{"debian", "bookworm"},
}

// Bounds of what a mirror is trusted to send, in bytes.
const (
	maxRelease = 4 << 20
	maxIndex   = 512 << 20
	maxPackage = 1 << 30
)

// NotInArchive says that Debian's archive has no kernel of a version.
type NotInArchive struct {
	Version, Mirror string
	// Have are the versions that it has, the newest first.
	Have []string
}

// Error says what there is instead.
func (e *NotInArchive) Error() string {
	have := "It has no kernels at all"
	if len(e.Have) > 0 {
		have = "It has " + strings.Join(e.Have, ", ")
	}
	return fmt.Sprintf("no kernel %s for the cloud in Debian's archive at %s\n  %s.", e.Version, e.Mirror, have)
}

// archive is Debian's, on a mirror.
type archive struct {
	downloader
	mirror string
	ring   openpgp.EntityList
	// dir holds what is downloaded.
	dir    string
	report func(Progress)
}

// newest is the newest package of a version, in the first area that has any. A
// mirror need not hold all areas.
func (a *archive) newest(ctx context.Context, version string) (linuxPackage, error) {
	var (
		seen   []linuxPackage
		absent []error
	)
	for _, area := range areas {
		list, err := a.packages(ctx, area)
		if errors.Is(err, ErrNotServed) {
			absent = append(absent, err)
			continue
		}
		if err != nil {
			return linuxPackage{}, err
		}
		sortPackages(list)
		if i := slices.IndexFunc(list, func(p linuxPackage) bool { return p.kernel().matches(version) }); i >= 0 {
			return list[i], nil
		}
		seen = append(seen, list...)
	}
	if len(absent) == len(areas) {
		return linuxPackage{}, errors.Join(absent...)
	}
	return linuxPackage{}, &NotInArchive{Version: version, Mirror: a.mirror, Have: versions(seen)}
}

// packages are the kernels of an area.
func (a *archive) packages(ctx context.Context, area area) ([]linuxPackage, error) {
	step := Progress{Doing: "read the index of " + area.suite}
	a.report(step)
	suite := a.mirror + "/" + area.folder + "/dists/" + area.suite + "/"
	digests, byHash, err := a.release(ctx, suite, area.suite)
	if err != nil {
		return nil, err
	}
	for _, ext := range []string{".xz", ""} {
		name := "main/binary-amd64/Packages" + ext
		want, ok := digests[name]
		if !ok {
			continue
		}
		urls := []string{suite + name}
		if byHash { // which stays while the mirror changes
			urls = []string{suite + path.Dir(name) + "/by-hash/SHA256/" + want.sha256, suite + name}
		}
		for _, url := range urls {
			list, err := a.index(ctx, url, ext, want, step)
			if err == nil {
				inFolder(list, a.mirror+"/"+area.folder+"/")
			}
			if !errors.Is(err, ErrNotServed) {
				return list, err
			}
		}
	}
	return nil, &MirrorError{URL: suite + "main/binary-amd64/Packages.xz", Err: ErrNotServed}
}

// release reads an area's signed index of indexes.
func (a *archive) release(ctx context.Context, suite, codename string) (digests map[string]digest, byHash bool, err error) {
	url := suite + "InRelease"
	var message bytes.Buffer
	if err := a.get(ctx, url, maxRelease, &message, func(int64) {}); err != nil {
		return nil, false, err
	}
	text, err := verified(a.ring, message.Bytes())
	if err != nil {
		return nil, false, &MirrorError{URL: url, Err: err}
	}
	r := parseRelease(text)
	if r.codename != codename {
		return nil, false, &MirrorError{URL: url, Err: fmt.Errorf("%w: it is of %q", ErrMismatch, r.codename)}
	}
	return r.digests, r.byHash, nil
}

// index reads an index of packages.
func (a *archive) index(ctx context.Context, url, ext string, want digest, step Progress) ([]linuxPackage, error) {
	if want.size > maxIndex {
		return nil, &MirrorError{URL: url, Err: fmt.Errorf("an index of %d bytes is too large", want.size)}
	}
	f, err := a.download(ctx, url, want, step)
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	r, err := decompress(f, ext)
	if err != nil {
		return nil, &MirrorError{URL: url, Err: err}
	}
	defer r.Close()
	list, err := parsePackages(io.LimitReader(r, maxIndex))
	if err != nil {
		return nil, &MirrorError{URL: url, Err: err}
	}
	return list, nil
}

// download gets a file whose digest is known into the archive's folder. It is
// open at its beginning; the caller closes it.
func (a *archive) download(ctx context.Context, url string, want digest, step Progress) (*os.File, error) {
	f, err := os.Create(filepath.Join(a.dir, "download"))
	if err != nil {
		return nil, err
	}
	step.Total = want.size
	err = a.verify(ctx, url, want, f, func(done int64) {
		step.Done = done
		a.report(step)
	})
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
