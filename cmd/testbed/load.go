package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"testbed/scenarios/spec"
	"testbed/topo"
	"testbed/topo/sandbox"
)

// load decodes every scenario that the arguments name, and tells the mistakes of
// all files at once.
func load(args []string) ([]*spec.Scenario, error) {
	files, missing := expand(args)
	var (
		list []*spec.Scenario
		errs = []error{missing}
	)
	for _, f := range files {
		s, err := spec.DecodeFile(f)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			err = usage("%w", err)
		}
		if err == nil && sandbox.First() { // the second run has no need to plan twice
			err = plan(s)
		}
		list, errs = append(list, s), append(errs, err)
	}
	return list, errors.Join(errs...)
}

// plan refuses a network that contradicts itself.
func plan(s *spec.Scenario) error {
	if _, err := topo.MakePlan(&s.Topology); err != nil {
		return usage("%s: %w", s.File, err)
	}
	return nil
}

// expand replaces folders by the scenario files in them. The error tells of
// every argument that stands for nothing.
func expand(args []string) (files []string, err error) {
	var errs []error
	for _, arg := range args {
		st, err := os.Stat(arg)
		switch {
		case err != nil:
			errs = append(errs, usage("%w", err))
		case !st.IsDir():
			files = append(files, arg)
		default:
			in, err := inFolder(arg)
			files, errs = append(files, in...), append(errs, err)
		}
	}
	return files, errors.Join(errs...)
}

// inFolder lists a folder's scenario files by name.
func inFolder(dir string) (files []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, usage("%w", err)
	}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); !e.IsDir() && (ext == ".yaml" || ext == ".yml") {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	if files == nil {
		return nil, usage("%s holds no *.yaml or *.yml file", dir)
	}
	return files, nil
}

// oneOf refuses a flag's value that is not one of its words.
func oneOf(flag, value string, valid []string) error {
	if slices.Contains(valid, value) {
		return nil
	}
	return usage("--%s %s: it takes %s", flag, value, strings.Join(valid, ", "))
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
