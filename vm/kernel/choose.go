package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Use makes a kernel the one that Find takes where none is named, as the words say
// it: 6.12 goes on to be the newest 6.12 that is there. It returns the one that is
// taken now. The error is that of Find.
func (s Store) Use(name string) (Kernel, error) {
	if isPath(name) {
		abs, err := filepath.Abs(name)
		if err != nil {
			return Kernel{}, fmt.Errorf("choose kernel: %w", err)
		}
		name = abs
	}
	k, err := s.Find(name)
	if err != nil {
		return Kernel{}, err
	}
	if err := s.write(s.choice(), name+"\n"); err != nil {
		return Kernel{}, fmt.Errorf("choose kernel: %w", err)
	}
	return k, nil
}

// UseAny undoes Use.
func (s Store) UseAny() error {
	if err := os.Remove(s.choice()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget the chosen kernel: %w", err)
	}
	return nil
}

// Chosen is the name that Use was given, empty for none.
func (s Store) Chosen() (string, error) {
	b, err := os.ReadFile(s.choice())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read which kernel was chosen: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// choice is the file that holds the chosen name.
func (s Store) choice() string { return filepath.Join(s.Dir, ".chosen") }

// write replaces a file of the store at once.
func (s Store) write(path, content string) error {
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(s.Dir, ".new-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), path)
}

// Ambiguous says that a name stands for several kernels where it must be one.
type Ambiguous struct {
	Name string
	// Releases are theirs.
	Releases []string
}

// Error names them.
func (e *Ambiguous) Error() string {
	return fmt.Sprintf("%s can be any of %s: name one", e.Name, strings.Join(e.Releases, ", "))
}

// Remove removes a kernel that was fetched: the one of a release or version, or the
// only one whose version begins so. The error is a *NotFound or an *Ambiguous.
func (s Store) Remove(ctx context.Context, name string) (Kernel, error) {
	list, unread := s.cached()
	k, ok := s.exactly(name)
	if !ok {
		var matching []Kernel
		for _, c := range list {
			if name != "" && c.matches(name) {
				matching = append(matching, c)
			}
		}
		switch len(matching) {
		case 0:
			return Kernel{}, &NotFound{Name: name, Looked: []string{s.Dir}, Have: list, Err: unread}
		case 1:
			k = matching[0]
		default:
			return Kernel{}, &Ambiguous{Name: name, Releases: releasesOf(matching)}
		}
	}
	err := s.stage(ctx, func(Progress) {}, func(dir string) error {
		return os.Rename(filepath.Join(s.Dir, k.Release), filepath.Join(dir, k.Release))
	})
	if err != nil {
		return Kernel{}, fmt.Errorf("remove kernel %s: %w", k.Release, err)
	}
	return k, nil
}

func releasesOf(list []Kernel) (names []string) {
	for _, k := range list {
		names = append(names, k.Release)
	}
	return names
}
