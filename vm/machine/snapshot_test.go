package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// newSealed makes a small snapshot.
func newSealed(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	files := map[string]*os.File{}
	for _, name := range []string{"ram", "state"} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(strings.Repeat(name, 1000)); err != nil {
			t.Fatal(err)
		}
		files[name] = f
	}
	if err := seal(dir, files["ram"], files["state"]); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOpenSnapshotSeesDamage(t *testing.T) {
	in := func(name string, f func(path string) error) func(string) error {
		return func(dir string) error { return f(filepath.Join(dir, name)) }
	}
	cut := func(path string) error { return os.Truncate(path, 100) }
	change := func(path string) error {
		st, err := os.Stat(path)
		if err != nil {
			return err
		}
		later := st.ModTime().Add(time.Second) // whatever the file system's resolution
		return errors.Join(os.WriteFile(path, make([]byte, st.Size()), 0o644), os.Chtimes(path, later, later))
	}
	tests := map[string]struct {
		harm   func(dir string) error
		absent bool
	}{
		"whole":          {func(string) error { return nil }, false},
		"ram cut":        {in("ram", cut), true},
		"ram changed":    {in("ram", change), true},
		"ram gone":       {in("ram", os.Remove), true},
		"state cut":      {in("state", cut), true},
		"state changed":  {in("state", change), true},
		"state gone":     {in("state", os.Remove), true},
		"seal gone":      {in(sealed, os.Remove), true},
		"seal cut":       {in(sealed, func(path string) error { return os.Truncate(path, 10) }), true},
		"seal of others": {in(sealed, func(path string) error { return os.WriteFile(path, []byte("{}"), 0o644) }), true},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			dir := newSealed(t)
			if err := c.harm(dir); err != nil {
				t.Fatal(err)
			}
			s, err := openSnapshot(dir)
			if err == nil {
				defer s.close()
			}
			if isAbsent(err) != c.absent || err != nil && !c.absent {
				t.Errorf("error %v, want it to be made again: %v", err, c.absent)
			}
		})
	}
}

func TestSnapshotOutlivesItsFolder(t *testing.T) {
	dir := newSealed(t)
	s, err := openSnapshot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		f, err := s.openState()
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 10)
		if _, err := f.Read(b); err != nil || string(b) != "statestate" {
			t.Errorf("the state begins with %q, %v", b, err)
		}
		f.Close()
	}
}

func TestPruneKeepsTheLatestUsed(t *testing.T) {
	store := t.TempDir()
	age := func(name string, old time.Duration) {
		t.Helper()
		at := time.Now().Add(-old)
		if err := os.Chtimes(filepath.Join(store, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	var want []string
	for i := range keep + 3 {
		name := fmt.Sprintf("snapshot-%02d", i)
		if err := os.MkdirAll(filepath.Join(store, name, "below"), 0o755); err != nil {
			t.Fatal(err)
		}
		age(name, time.Duration(i)*100*time.Hour)
		if i < keep {
			want = append(want, name)
		}
	}
	for name, old := range map[string]time.Duration{unfinished + "new": 0, unfinished + "old": 2 * abandoned, "new.lock": 0, "old.lock": 2 * abandoned} {
		var err error
		if strings.HasPrefix(name, unfinished) {
			err = os.Mkdir(filepath.Join(store, name), 0o755)
		} else {
			err = os.WriteFile(filepath.Join(store, name), nil, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		age(name, old)
		if old == 0 {
			want = append(want, name)
		}
	}
	prune(store)
	entries, err := os.ReadDir(store)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	slices.Sort(want)
	if !slices.Equal(left, want) {
		t.Errorf("left are %v, want %v", left, want)
	}
	prune(filepath.Join(store, "none")) // does no harm
}

func TestLockWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	if _, err := lock(ctx, path); err != enough {
		t.Errorf("a lock that is held gives %v, want %v", err, enough)
	}
	unlock()
	unlock, err = lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	if _, err := lock(t.Context(), filepath.Join(path, "below")); errors.Is(err, fs.ErrNotExist) || err == nil {
		t.Errorf("a lock below a file gives error %v", err)
	}
}
