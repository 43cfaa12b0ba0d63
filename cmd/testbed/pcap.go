package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
)

// pcapFlag is --pcap: a folder for what crossed the links.
type pcapFlag struct {
	dir string
	// root is the folder; no file's name leads out of it.
	root *os.Root
	// names are the files' without kernel and ending.
	names map[*spec.Scenario]string
	// several is true where each scenario runs on several kernels.
	several bool

	mu   sync.Mutex
	errs []error
}

// wanted tells whether there is such a folder.
func (f *pcapFlag) wanted() bool { return f.dir != "" }

// open makes the folder if it is missing, and refuses one that could not be
// written to.
func (f *pcapFlag) open(list []*spec.Scenario, several bool) (err error) {
	if !f.wanted() {
		return nil
	}
	if err := os.MkdirAll(f.dir, 0o777); err != nil {
		return usage("--pcap: %w", err)
	}
	if err := unix.Access(f.dir, unix.W_OK|unix.X_OK); err != nil {
		return usage("--pcap %s: %w", f.dir, err)
	}
	if f.root, err = os.OpenRoot(f.dir); err != nil {
		return usage("--pcap: %w", err)
	}
	f.names, f.several = fileNames(list), several
	return nil
}

// fileNames names the scenarios' files. Scenarios of one name are numbered from
// the second on.
func fileNames(list []*spec.Scenario) map[*spec.Scenario]string {
	names, taken := map[*spec.Scenario]string{}, map[string]bool{}
	for _, s := range list {
		name := safeName(s.Name)
		for n := 2; taken[name]; n++ {
			name = fmt.Sprintf("%s-%d", safeName(s.Name), n)
		}
		names[s], taken[name] = name, true
	}
	return names
}

// safeName is a name without what separates folders or begins a hidden file.
func safeName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._+~=%-", r) {
			return r
		}
		return '_'
	}, s)
	if strings.HasPrefix(s, ".") {
		s = "_" + s
	}
	return s
}

// then is what is done with a result: its capture is written and let go, then
// next is called.
func (f *pcapFlag) then(next func(*verdict.Result)) func(*verdict.Result) {
	return func(r *verdict.Result) {
		f.take(r, f.names[r.Scenario])
		for _, c := range r.Cells {
			f.take(c, f.names[r.Scenario]+cellSuffix(c))
		}
		next(r)
	}
}

// cellSuffix tells the file of a cell from those of the others.
func cellSuffix(c *verdict.Result) (s string) {
	for _, a := range c.Scenario.Cell {
		s += "." + safeName(a.Name+"="+a.Value)
	}
	return s
}

// take writes a result's capture, if there is one, and lets it go.
func (f *pcapFlag) take(r *verdict.Result, name string) {
	if !f.wanted() || r.Capture == nil {
		return
	}
	if err := f.write(r, name); err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.errs = append(f.errs, fmt.Errorf("write capture of %s: %w", r.Scenario.Name, err))
	}
	r.Capture.File = nil
}

// write writes a capture's file.
func (f *pcapFlag) write(r *verdict.Result, name string) error {
	if f.several {
		name += "@" + safeName(r.Kernel)
	}
	out, err := f.root.Create(name + ".pcapng")
	if err != nil {
		return err
	}
	_, err = out.Write(r.Capture.File)
	return errors.Join(err, out.Close())
}

// failed is what could not be written.
func (f *pcapFlag) failed() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Join(f.errs...)
}
