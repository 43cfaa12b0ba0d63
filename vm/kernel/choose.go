package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Auto is the name with which Use goes back to choosing by itself.
const Auto = "auto"

// Use makes a kernel the one that Find takes where none is named, as the words say
// it: 6.12 goes on to be the newest 6.12 that is there. Auto undoes it. It returns
// the kernel that is now taken.
func (s Store) Use(name string) (Kernel, error) {
	if name == Auto {
		if err := os.Remove(s.choice()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Kernel{}, fmt.Errorf("forget the chosen kernel: %w", err)
		}
		return s.Find("")
	}
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
