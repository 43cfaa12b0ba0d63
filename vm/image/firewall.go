package image

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"testbed/vm"
)

// FirewallTool are the files of nft, or of a program of iptables with the plugins
// that it loads while it runs, and the names of protocols and services, which
// rulesets use. The path is the program's.
func FirewallTool(path string) ([]vm.File, error) {
	files, err := Program(path)
	if err != nil {
		return nil, err
	}
	if filepath.Base(path) != "nft" {
		plugins, err := xtablesPlugins(folders(files))
		if err != nil {
			return nil, fmt.Errorf("read the plugins of %s: %w", path, err)
		}
		files = append(files, plugins...)
	}
	for _, name := range []string{"/etc/protocols", "/etc/services"} {
		more, err := follow(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		files = append(files, more...)
	}
	return unique(files), nil
}

// folders are those of a program's libraries.
func folders(files []vm.File) (dirs []string) {
	for _, f := range files {
		if dir := filepath.Dir(f.Path); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// xtablesPlugins are the extensions of iptables, in a folder beside its libraries,
// with the libraries that they are linked with.
func xtablesPlugins(beside []string) (files []vm.File, err error) {
	for _, dir := range beside {
		plugins, err := filepath.Glob(filepath.Join(dir, "xtables", "*.so"))
		if err != nil {
			return nil, err
		}
		for _, plugin := range plugins {
			more, err := withLibraries(plugin, beside)
			if err != nil {
				return nil, err
			}
			files = append(files, more...)
		}
	}
	return unique(files), nil
}

// withLibraries are a shared object and what it is linked with, from these folders.
func withLibraries(path string, dirs []string) ([]vm.File, error) {
	files, err := follow(path)
	if err != nil {
		return nil, err
	}
	object, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer object.Close()
	needed, err := object.ImportedLibraries()
	if err != nil {
		return nil, err
	}
	for _, name := range needed {
		for _, dir := range dirs {
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				continue
			}
			more, err := follow(filepath.Join(dir, name))
			if err != nil {
				return nil, err
			}
			files = append(files, more...)
			break
		}
	}
	return files, nil
}
