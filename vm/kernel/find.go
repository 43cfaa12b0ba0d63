package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// NotFound says that there is no kernel of a name, or none at all.
type NotFound struct {
	// Name is what was looked for, empty for any kernel that serves.
	Name string
	// Looked are the places.
	Looked []string
	// Have is what is there.
	Have []Kernel
	// Err joins what could not be read, nil if everything could.
	Err error
}

// Error says what was looked for, where, what is there and what to do.
func (e *NotFound) Error() string {
	var b strings.Builder
	if e.Name == "" {
		fmt.Fprint(&b, "no kernel that can run a virtual clock")
	} else {
		fmt.Fprintf(&b, "no kernel %s", e.Name)
	}
	fmt.Fprintf(&b, "\n  looked in %s", strings.Join(e.Looked, ", "))
	for _, k := range e.Have {
		fmt.Fprintf(&b, "\n  there is %s", k.line())
	}
	if e.Err != nil {
		for line := range strings.Lines(e.Err.Error()) {
			fmt.Fprintf(&b, "\n  %s", strings.TrimSuffix(line, "\n"))
		}
	}
	fmt.Fprintf(&b, "\nGet one from Debian's archive: testbed kernel fetch %s", e.suggestion())
	return b.String()
}

// Unwrap is what could not be read.
func (e *NotFound) Unwrap() error { return e.Err }

// suggestion is the name if it may be a version, and else one that is known to
// serve.
func (e *NotFound) suggestion() string {
	if isVersion(e.Name) {
		return e.Name
	}
	return "6.12"
}

// line names a kernel for a list.
func (k Kernel) line() string {
	missing, err := k.Lacks(Required...)
	switch {
	case err != nil:
		return k.Release + ", without modules"
	case len(missing) > 0:
		return k.Release + ", without " + strings.Join(missing, ", ")
	}
	return k.Release
}

// NoModules says that a kernel's modules are nowhere.
type NoModules struct {
	Release string
	// Looked are the places.
	Looked []string
}

// Error says so, and where they were looked for.
func (e *NoModules) Error() string {
	looked := ""
	if len(e.Looked) > 0 {
		looked = ": looked for " + strings.Join(e.Looked, ", ")
	}
	return fmt.Sprintf("no modules of kernel %s%s", e.Release, looked)
}

// Find finds a kernel by the beginning of its version (6.1 is any 6.1.x and no
// 6.12), by its release, or by the path of its image or of the folder that a
// package was unpacked to. No name is the one that Use chose, or else the first
// of List. The error is a *NotFound, or a *NoModules.
func (s Store) Find(name string) (Kernel, error) {
	if isPath(name) {
		return s.findPath(name)
	}
	if name != "" {
		return s.findName(name)
	}
	chosen, err := s.Chosen()
	if err != nil {
		return Kernel{}, err
	}
	if chosen == "" {
		return s.findName("")
	}
	k, err := s.Find(chosen)
	if err != nil {
		return Kernel{}, fmt.Errorf("%w\nIt was chosen with testbed kernel use %s; to take any: testbed kernel use auto", err, chosen)
	}
	return k, nil
}

// isPath holds for what can't be a version or release, which begin with a digit.
func isPath(name string) bool {
	if strings.ContainsRune(name, filepath.Separator) {
		return true
	}
	if name == "" || leading.MatchString(name) {
		return false
	}
	_, err := os.Stat(name)
	return err == nil
}

// isVersion holds for what begins as versions do.
func isVersion(name string) bool { return leading.MatchString(name) && !isPath(name) }

func (s Store) findName(name string) (Kernel, error) {
	list, unread := s.List()
	for _, k := range list {
		if k.matches(name) && (name != "" || k.Serves()) {
			if k.Modules == "" {
				return Kernel{}, &NoModules{Release: k.Release, Looked: s.hostModules(k.Release)}
			}
			return k, nil
		}
	}
	looked := []string{s.Dir, filepath.Join(s.Host, "boot"), filepath.Join(s.Host, "lib/modules")}
	return Kernel{}, &NotFound{Name: name, Looked: looked, Have: list, Err: unread}
}

// matches holds for a release, and for the beginning of a version.
func (k Kernel) matches(name string) bool {
	return name == "" || name == k.Release || k.Version == name || strings.HasPrefix(k.Version, name+".")
}

// findPath takes an image, whose modules are near it or the host's, or a folder.
func (s Store) findPath(path string) (Kernel, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return Kernel{}, fmt.Errorf("find kernel: %w", err)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Kernel{}, &NotFound{Name: path, Looked: []string{filepath.Dir(path)}}
	case err != nil:
		return Kernel{}, fmt.Errorf("find kernel: %w", err)
	case info.IsDir():
		return unpacked(path)
	}
	k, err := readImage(path)
	if err != nil {
		return Kernel{}, err
	}
	k.Source = FromPath
	return k, k.findModules(append(near(path, k.Release), s.hostModules(k.Release)...))
}

// near are the places of the modules of an image in the folder boot of a package,
// beside the modules' folder, or in it.
func near(image, release string) []string {
	dir := filepath.Dir(image)
	places := []string{
		filepath.Join(dir, "lib/modules", release), filepath.Join(dir, "usr/lib/modules", release),
		filepath.Join(dir, "../lib/modules", release), filepath.Join(dir, "../usr/lib/modules", release),
	}
	if filepath.Base(dir) == release {
		return append([]string{dir}, places...)
	}
	return places
}

func (k *Kernel) findModules(places []string) error {
	if k.Modules = firstDir(places); k.Modules == "" {
		return &NoModules{Release: k.Release, Looked: places}
	}
	return nil
}

// unpacked is the newest kernel in the folder that a package was unpacked to.
func unpacked(dir string) (Kernel, error) {
	var list []Kernel
	var broken error
	for _, pattern := range []string{"boot/vmlinuz-*", "vmlinuz-*", "vmlinuz", "bzImage"} {
		paths, err := filepath.Glob(filepath.Join(escapeGlob(dir), pattern))
		if err != nil {
			return Kernel{}, fmt.Errorf("look for kernels in %s: %w", dir, err)
		}
		for _, path := range paths {
			k, err := readImage(path)
			if err == nil {
				k.Source = FromPath
				list = append(list, k)
			}
			broken = errors.Join(broken, err)
		}
	}
	if len(list) == 0 {
		return Kernel{}, &NotFound{Name: "in " + dir, Looked: []string{filepath.Join(dir, "boot/vmlinuz-*"), filepath.Join(dir, "vmlinuz*")}, Err: broken}
	}
	sortNewest(list)
	k := list[0]
	return k, k.findModules(near(k.Image, k.Release))
}

// escapeGlob makes a path a pattern that only it matches.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
