package kernel

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// maxModule bounds a module's size, in bytes, once it is unpacked.
const maxModule = 64 << 20

// Module is a kernel module, ready for init_module(2).
type Module struct {
	// Name is the name as lsmod prints it.
	Name string
	// Content is the ELF object.
	Content []byte
}

// NoModule says that a kernel has something neither as a module nor built in.
type NoModule struct {
	Name, Release string
	// NeededBy is the module that depends on it, empty if it was asked for.
	NeededBy string
}

// Error says so in a sentence.
func (e *NoModule) Error() string {
	by := ""
	if e.NeededBy != "" {
		by = ", which " + e.NeededBy + " depends on"
	}
	return fmt.Sprintf("kernel %s has no module %s%s, and it is not built in", e.Release, e.Name, by)
}

// Load reads the modules of these names and all that they depend on, in an order
// in which the kernel can take them. What is built in is left out. A name that
// the kernel does not have is a *NoModule.
func (k Kernel) Load(names ...string) ([]Module, error) {
	t, err := k.tree()
	if err != nil {
		return nil, err
	}
	l := loader{tree: t, release: k.Release, seen: map[string]bool{}}
	for _, n := range names {
		if err := l.load(canonical(n), ""); err != nil {
			return nil, err
		}
	}
	return l.modules, nil
}

// loader collects modules, dependencies first.
type loader struct {
	*tree
	release string
	seen    map[string]bool
	modules []Module
}

func (l *loader) load(name, neededBy string) error {
	if l.seen[name] || l.builtin[name] {
		return nil
	}
	l.seen[name] = true
	file := l.path[name]
	if file == "" {
		return &NoModule{Name: name, Release: l.release, NeededBy: neededBy}
	}
	content, err := readModule(file)
	if err != nil {
		return fmt.Errorf("read module %s: %w", file, err)
	}
	info, err := modinfoOf(content)
	if err != nil {
		return fmt.Errorf("read module %s: %w", file, err)
	}
	for _, n := range append(info.depends, l.soft(info.pre)...) {
		if err := l.load(n, name); err != nil {
			return err
		}
	}
	l.modules = append(l.modules, Module{Name: name, Content: content})
	return nil
}

// soft are the soft dependencies that are there. One that names an algorithm, as
// libcrc32c's crc32c, is met by the generic module of it.
func (l *loader) soft(names []string) (found []string) {
	for _, n := range names {
		for _, n := range []string{n, n + "_generic"} {
			if l.path[n] != "" {
				found = append(found, n)
			}
		}
	}
	return found
}

// tree is what a kernel has, by name.
type tree struct {
	builtin map[string]bool
	// path is a module's file.
	path map[string]string
}

// tree looks at the modules' file names only.
func (k Kernel) tree() (*tree, error) {
	if k.Modules == "" {
		return nil, &NoModules{Release: k.Release}
	}
	t := &tree{builtin: map[string]bool{}, path: map[string]string{}}
	if err := t.readBuiltin(filepath.Join(k.Modules, "modules.builtin")); err != nil {
		return nil, fmt.Errorf("read what kernel %s has built in: %w", k.Release, err)
	}
	err := filepath.WalkDir(k.Modules, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if name, ok := moduleOf(d.Name()); ok {
			t.path[name] = path
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for the modules of kernel %s: %w", k.Release, err)
	}
	return t, nil
}

// readBuiltin reads modules.builtin: a line for each, kernel/FOLDER/NAME.ko
// (Documentation/kbuild/kbuild.rst).
func (t *tree) readBuiltin(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		if name, ok := moduleOf(path.Base(s.Text())); ok {
			t.builtin[name] = true
		}
	}
	return s.Err()
}

// moduleOf is the name of the module in a file of this name.
func moduleOf(file string) (name string, ok bool) {
	name, suffix, ok := strings.Cut(file, ".ko")
	switch suffix {
	case "", ".xz", ".zst", ".gz":
		return canonical(name), ok && name != ""
	}
	return "", false
}

// readModule reads a module's file and unpacks it, if it is compressed.
func readModule(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := decompress(f, filepath.Ext(file))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	content, err := io.ReadAll(io.LimitReader(r, maxModule+1))
	if err == nil && len(content) > maxModule {
		err = errors.New("larger than a module may be")
	}
	return content, err
}
