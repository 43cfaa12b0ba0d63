package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"testbed/scenarios/index"
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
	for _, c := range s.Each() {
		if _, err := topo.MakePlan(&c.Topology); err != nil {
			return usage("%s: %w", strings.TrimSuffix(s.File+": "+c.CellName(), ": "), err)
		}
	}
	return nil
}

// expand replaces folders by the scenario files in them; DIR/... stands for those of
// the folders below, too. The error tells of
// every argument that stands for nothing.
func expand(args []string) (files []string, err error) {
	var errs []error
	for _, arg := range args {
		if root, all := strings.CutSuffix(arg, "/..."); all {
			in, err := below(root)
			files, errs = append(files, in...), append(errs, err)
			continue
		}
		st, err := os.Stat(arg)
		switch {
		case err != nil:
			errs = append(errs, usage("%w%s", err, inLibrary(arg)))
		case !st.IsDir():
			files = append(files, arg)
		default:
			in, err := inFolder(arg)
			files, errs = append(files, in...), append(errs, err)
		}
	}
	return files, errors.Join(errs...)
}

// inLibrary says how to get at a scenario of the library, if the name of a file that
// is not there is that of one.
func inLibrary(file string) string {
	all, err := index.All()
	if err != nil {
		return ""
	}
	e, _ := index.Find(all, filepath.Base(file))
	if e == nil {
		return ""
	}
	return fmt.Sprintf("\n  the library has a scenario of that name: testbed show %s > %s.yaml", e.Name, e.Name)
}

// inFolder lists a folder's scenario files by name.
func inFolder(dir string) (files []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, usage("%w", err)
	}
	for _, e := range entries {
		if !e.IsDir() && isScenario(e.Name()) {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	if files == nil {
		return nil, usage("%s holds no *.yaml or *.yml file", dir)
	}
	return files, nil
}

// below lists the scenario files of a folder and of all folders in it: those are
// what testdata and hidden folders are not, as in the go command.
func below(root string) (files []string, err error) {
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && path != root && (strings.HasPrefix(e.Name(), ".") || e.Name() == "testdata"):
			return fs.SkipDir
		case !e.IsDir() && isScenario(path):
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		return nil, usage("%w", err)
	}
	if files == nil {
		return nil, usage("%s and the folders in it hold no *.yaml or *.yml file", root)
	}
	return files, nil
}

// isScenario tells whether a file is one by its name.
func isScenario(path string) bool {
	ext := filepath.Ext(path)
	return ext == ".yaml" || ext == ".yml"
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
