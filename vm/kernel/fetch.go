package kernel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"golang.org/x/sys/unix"
)

// Progress is how far a fetch is.
type Progress struct {
	// Doing says what is being done, as an imperative phrase.
	Doing string
	// Done and Total count the bytes of a file that is downloaded or unpacked. Total
	// is 0 for what has no known end.
	Done, Total int64
}

// FetchOptions say how to fetch; the zero value fetches from DefaultMirror.
type FetchOptions struct {
	// Mirror is the URL below which the folders debian and debian-security are.
	Mirror string
	// Keys are those of which one must have signed the archive's index. None are
	// those of Debian's archive.
	Keys openpgp.EntityList
	// Client, where it is not nil, makes the requests.
	Client *http.Client
	// Progress, where it is not nil, is called often, from one goroutine.
	Progress func(Progress)
}

// silence is how long a mirror may send nothing.
const silence = time.Minute

// Fetch gets the newest kernel whose version begins so, or the one of a release,
// from Debian's archive: of the flavour for the cloud, which has what scenarios
// need and little else. The archive's index must be signed by Debian, and names
// all else by its SHA-256. An interrupted fetch leaves nothing. fresh is false if
// the store had it already. The error is a *NotInArchive or a *MirrorError where
// the archive is the cause.
func (s Store) Fetch(ctx context.Context, version string, o FetchOptions) (k Kernel, fresh bool, err error) {
	if k, ok := s.exactly(version); ok {
		return k, false, nil
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.Keys == nil {
		if o.Keys, err = debianKeyring(); err != nil {
			return Kernel{}, false, err
		}
	}
	if o.Client == nil {
		o.Client = newClient()
	}
	mirror := strings.TrimSuffix(strings.TrimRight(cmp.Or(o.Mirror, DefaultMirror), "/"), "/debian")
	err = s.stage(ctx, o.Progress, func(dir string) error {
		a := &archive{downloader: downloader{client: o.Client, silence: silence}, mirror: mirror, ring: o.Keys, dir: dir, report: o.Progress}
		k, fresh, err = s.fetch(ctx, a, version)
		return err
	})
	return k, fresh, err
}

// fetch gets a package and unpacks it.
func (s Store) fetch(ctx context.Context, a *archive, version string) (Kernel, bool, error) {
	p, err := a.newest(ctx, version)
	if err != nil {
		return Kernel{}, false, err
	}
	if k, ok := s.exactly(p.release); ok && slices.Contains(strings.Fields(k.Build), p.version) {
		return k, false, nil
	}
	if p.digest.size > maxPackage {
		return Kernel{}, false, &MirrorError{URL: p.file, Err: fmt.Errorf("a package of %d bytes is too large", p.digest.size)}
	}
	f, err := a.download(ctx, p.file, p.digest, Progress{Doing: "download " + p.name})
	if err != nil {
		return Kernel{}, false, err
	}
	defer f.Close()
	k, err := s.add(ctx, f, a.dir, Progress{Doing: "unpack " + p.name, Total: p.digest.size}, a.report)
	if err != nil {
		return Kernel{}, false, fmt.Errorf("package %s: %w", p.name, err)
	}
	return k, true, nil
}

// FetchFile takes the kernel out of a package on disk, which is trusted as it is.
// It replaces one of the same release.
func (s Store) FetchFile(ctx context.Context, path string, progress func(Progress)) (k Kernel, err error) {
	if progress == nil {
		progress = func(Progress) {}
	}
	f, err := os.Open(path)
	if err != nil {
		return Kernel{}, fmt.Errorf("fetch kernel: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Kernel{}, fmt.Errorf("fetch kernel: %w", err)
	}
	err = s.stage(ctx, progress, func(dir string) error {
		k, err = s.add(ctx, f, dir, Progress{Doing: "unpack " + filepath.Base(path), Total: info.Size()}, progress)
		return err
	})
	if err != nil {
		return Kernel{}, fmt.Errorf("package %s: %w", path, err)
	}
	return k, nil
}

// exactly is the fetched kernel of a release or a full version.
func (s Store) exactly(name string) (Kernel, bool) {
	list, _ := s.cached() // one that can't be read is fetched again
	for _, k := range list {
		if name == k.Release || name == k.Version {
			return k, k.Modules != ""
		}
	}
	return Kernel{}, false
}

// add unpacks a package in the folder stage, and puts the kernel in its place.
func (s Store) add(ctx context.Context, deb io.Reader, stage string, step Progress, report func(Progress)) (Kernel, error) {
	dir := filepath.Join(stage, "kernel")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return Kernel{}, err
	}
	deb = &watched{r: deb, seen: func(n int64) {
		step.Done = n
		report(step)
	}}
	if err := unpackDeb(ctx, deb, dir); err != nil {
		return Kernel{}, err
	}
	k, err := unpacked(dir)
	if err != nil {
		return Kernel{}, noKernel(err)
	}
	place := filepath.Join(s.Dir, k.Release)
	if err := os.Rename(place, filepath.Join(stage, "old")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Kernel{}, fmt.Errorf("replace kernel %s: %w", k.Release, err)
	}
	if err := os.Rename(dir, place); err != nil {
		return Kernel{}, fmt.Errorf("keep kernel %s: %w", k.Release, err)
	}
	k, err = unpacked(place)
	k.Source = FromCache
	return k, err
}

// stagePattern names folders that hold what is not done yet, or no more.
const stagePattern = ".stage-*"

// stage calls f with a fresh folder in the store, which does not stay. Only one
// process at a time is in here, so what another one left, it was killed there.
func (s Store) stage(ctx context.Context, report func(Progress), f func(dir string) error) error {
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return fmt.Errorf("keep kernels: %w", err)
	}
	unlock, err := s.lock(ctx, report)
	if err != nil {
		return err
	}
	defer unlock()
	left, _ := filepath.Glob(filepath.Join(escapeGlob(s.Dir), stagePattern)) // the pattern is well-formed
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove an interrupted fetch: %w", err)
		}
	}
	dir, err := os.MkdirTemp(s.Dir, stagePattern)
	if err != nil {
		return fmt.Errorf("keep kernels: %w", err)
	}
	return errors.Join(f(dir), os.RemoveAll(dir))
}

// lock waits until no other process changes the store. The kernel unlocks when a
// process ends.
func (s Store) lock(ctx context.Context, report func(Progress)) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(s.Dir, ".lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the kernels: %w", err)
	}
	unlock = func() { f.Close() }
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		return unlock, nil
	}
	report(Progress{Doing: "wait for another process that fetches a kernel"})
	locked := make(chan error, 1)
	go func() { locked <- unix.Flock(int(f.Fd()), unix.LOCK_EX) }()
	select {
	case err := <-locked:
		if err != nil {
			return nil, errors.Join(fmt.Errorf("lock the kernels: %w", err), f.Close())
		}
		return unlock, nil
	case <-ctx.Done():
		go func() { <-locked; f.Close() }()
		return nil, ctx.Err()
	}
}
