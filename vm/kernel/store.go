package kernel

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// CacheEnv is the environment variable that names the testbed's cache, in place of
// the folder testbed of the user's.
const CacheEnv = "TESTBED_CACHE"

// Store is where kernels are kept and looked for. Several processes can use one
// store at once.
type Store struct {
	// Dir holds a folder for each kernel that was fetched, named by its release. It
	// need not exist.
	Dir string
	// Host is the root of the file system whose /boot and /lib/modules are looked
	// through too.
	Host string
}

// Default is the user's store, in $TESTBED_CACHE, $XDG_CACHE_HOME/testbed or
// ~/.cache/testbed, together with what is installed on this host.
func Default() (Store, error) {
	dir := os.Getenv(CacheEnv)
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return Store{}, fmt.Errorf("find a place for kernels (%s can name one): %w", CacheEnv, err)
		}
		dir = filepath.Join(user, "testbed")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Store{}, fmt.Errorf("find the place for kernels: %w", err)
	}
	return Store{Dir: filepath.Join(dir, "kernels"), Host: "/"}, nil
}

// Find is Store.Find in the user's store.
func Find(name string) (Kernel, error) {
	s, err := Default()
	if err != nil {
		return Kernel{}, err
	}
	return s.Find(name)
}

// List is what is there, in the order of preference: kernels that have all that is
// Required before others, fetched ones before the host's, newer ones before older
// ones. The error joins what could not be read; the list is good all the same.
func (s Store) List() ([]Kernel, error) {
	cached, err1 := s.cached()
	installed, err2 := s.installed()
	var serve, lack []Kernel
	for _, k := range slices.Concat(cached, installed) {
		if k.Serves() {
			serve = append(serve, k)
		} else {
			lack = append(lack, k)
		}
	}
	return slices.Concat(serve, lack), errors.Join(err1, err2)
}

// Serves tells whether the kernel has all that is Required.
func (k Kernel) Serves() bool {
	missing, err := k.Lacks(Required...)
	return err == nil && len(missing) == 0
}

// cached are the fetched kernels, the newest first.
func (s Store) cached() ([]Kernel, error) {
	entries, err := os.ReadDir(s.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for fetched kernels: %w", err)
	}
	var (
		list   []Kernel
		broken []error
	)
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		k, err := unpacked(filepath.Join(s.Dir, e.Name()))
		if err != nil {
			broken = append(broken, err)
			continue
		}
		k.Source = FromCache
		list = append(list, k)
	}
	sortNewest(list)
	return list, errors.Join(broken...)
}

// installed are the host's own kernels, the newest first. What is no kernel for a
// PC is passed over.
func (s Store) installed() ([]Kernel, error) {
	var (
		list       []Kernel
		unreadable []error
	)
	seen := map[string]bool{}
	for _, pattern := range s.hostImages() {
		paths, _ := filepath.Glob(pattern) // the patterns are well-formed
		for _, path := range paths {
			k, err := readImage(path)
			switch {
			case errors.Is(err, fs.ErrPermission):
				unreadable = append(unreadable, err)
			case err == nil && !seen[k.Release]:
				seen[k.Release] = true
				k.Source, k.Modules = FromBoot, firstDir(s.hostModules(k.Release))
				list = append(list, k)
			}
		}
	}
	sortNewest(list)
	return list, errors.Join(unreadable...)
}

// hostImages are the patterns of where distributions put their kernels.
func (s Store) hostImages() []string {
	return []string{
		filepath.Join(s.Host, "boot/vmlinuz-*"),
		filepath.Join(s.Host, "lib/modules/*/vmlinuz"),
		filepath.Join(s.Host, "usr/lib/modules/*/vmlinuz"),
	}
}

func (s Store) hostModules(release string) []string {
	return []string{filepath.Join(s.Host, "lib/modules", release), filepath.Join(s.Host, "usr/lib/modules", release)}
}

// firstDir is the first of the paths that is a folder, empty if none is.
func firstDir(paths []string) string {
	for _, p := range paths {
		if info, err := os.Stat(p); err == nil && info.IsDir() {
			return p
		}
	}
	return ""
}

// sortNewest sorts the newest first.
func sortNewest(list []Kernel) {
	slices.SortStableFunc(list, func(a, b Kernel) int {
		return cmp.Or(compareVersions(b.Version, a.Version), compareVersions(b.Release, a.Release), cmp.Compare(a.Release, b.Release))
	})
}

// compareVersions compares the numbers in versions, in their order: 6.1.9 is less
// than 6.1.10, and 6.1 than 6.12.
func compareVersions(a, b string) int { return slices.Compare(numbers(a), numbers(b)) }

func numbers(version string) (list []int) {
	for _, digits := range strings.FieldsFunc(version, func(r rune) bool { return r < '0' || r > '9' }) {
		n, _ := strconv.Atoi(digits) // all digits; one out of range is the largest
		list = append(list, n)
	}
	return list
}
