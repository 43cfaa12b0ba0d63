package image

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/u-root/u-root/pkg/ldd"

	"testbed/vm"
)

// Libraries are the files that an ELF program is linked with, its interpreter
// among them, and the links that lead to them. A static program has none.
func Libraries(program string) ([]vm.File, error) {
	paths, err := libraries(program)
	if err != nil {
		return nil, fmt.Errorf("find the libraries of %s: %w", program, err)
	}
	var files []vm.File
	for _, p := range paths {
		fs, err := follow(p)
		if err != nil {
			return nil, fmt.Errorf("read a library of %s: %w", program, err)
		}
		files = append(files, fs...)
	}
	return unique(files), nil
}

// libraries are the paths by which the dynamic linker finds them.
func libraries(program string) ([]string, error) {
	f, err := elf.Open(program)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Section(".interp") == nil {
		return nil, nil
	}
	paths, err := ldd.FList(program)
	if err != nil {
		return nil, err
	}
	interpreter, err := ldd.GetInterp(program)
	if err != nil {
		return nil, err
	}
	if interpreter != "" {
		paths = append(paths, interpreter)
	}
	slices.Sort(paths) // package ldd has them in the order of a map
	return slices.Compact(paths), nil
}

// follow is a file at its path, with every symbolic link on the way to it, also
// of the folders above: /lib64/x.so may be /usr/lib64/x.so.2.
func follow(path string) ([]vm.File, error) {
	const mostLinks = 40
	var files []vm.File
	for range mostLinks {
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return nil, err
		}
		if real := filepath.Join(dir, filepath.Base(path)); real != path {
			files = append(files, vm.File{Path: path, Link: real})
			path = real
			continue
		}
		st, err := os.Lstat(path)
		if err != nil {
			return nil, err
		}
		if st.Mode()&os.ModeSymlink == 0 {
			b, err := os.ReadFile(path)
			return append(files, vm.File{Path: path, Mode: st.Mode().Perm(), Data: b}), err
		}
		to, err := os.Readlink(path)
		if err != nil {
			return nil, err
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(dir, to)
		}
		files = append(files, vm.File{Path: path, Link: to})
		path = to
	}
	return nil, errors.New("too many symbolic links")
}

// unique drops files whose path was there before.
func unique(files []vm.File) (out []vm.File) {
	seen := map[string]bool{}
	for _, f := range files {
		if !seen[f.Path] {
			seen[f.Path] = true
			out = append(out, f)
		}
	}
	return out
}
