package machine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// sealed is the name of the file that a snapshot gets last.
const sealed = "sealed"

// contents are what a snapshot's files were when it was made. The memory is known
// by its size and the time of its last change, in nanoseconds, as half a gigabyte
// takes long to read; the state by its SHA-256.
type contents struct {
	RAMSize, RAMChanged int64
	State               string
}

// damaged says that a snapshot is not as it was made.
type damaged struct {
	dir string
	err error
}

func (d *damaged) Error() string { return fmt.Sprintf("snapshot %s is damaged: %v", d.dir, d.err) }
func (d *damaged) Unwrap() error { return d.err }

// isAbsent tells whether a snapshot has to be made: there is none, or it is
// damaged.
func isAbsent(err error) bool {
	var d *damaged
	return errors.Is(err, fs.ErrNotExist) || errors.As(err, &d)
}

// seal notes what a snapshot consists of, once its files are on the disk.
func seal(dir string, ram, state *os.File) error {
	for _, f := range []*os.File{ram, state} {
		if err := f.Sync(); err != nil {
			return fmt.Errorf("write the snapshot: %w", err)
		}
	}
	c, err := contentsOf(ram, filepath.Join(dir, "state"))
	if err != nil {
		return err
	}
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, sealed), b, 0o644)
}

func contentsOf(ram *os.File, state string) (contents, error) {
	st, err := ram.Stat()
	if err != nil {
		return contents{}, err
	}
	h := sha256.New()
	if err := hashFile(h, state); err != nil {
		return contents{}, err
	}
	return contents{st.Size(), st.ModTime().UnixNano(), hex.EncodeToString(h.Sum(nil))}, nil
}

// openSnapshot opens a snapshot and holds it against its seal.
func openSnapshot(dir string) (_ *snapshot, err error) {
	s := &snapshot{dir: dir}
	defer func() {
		if err != nil {
			s.ram.Close()
			s.state.Close()
		}
	}()
	// The emulator opens the memory for writing, to a private copy.
	if s.ram, err = os.OpenFile(filepath.Join(dir, "ram"), os.O_RDWR, 0); err != nil {
		return nil, err
	}
	if s.state, err = os.Open(filepath.Join(dir, "state")); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	now := time.Now()
	_ = os.Chtimes(dir, now, now) // the latest used are kept
	return s, nil
}

// check holds the files against the seal.
func (s *snapshot) check() error {
	b, err := os.ReadFile(filepath.Join(s.dir, sealed))
	if err != nil {
		return err
	}
	var want contents
	if err := json.Unmarshal(b, &want); err != nil {
		return &damaged{s.dir, fmt.Errorf("read its seal: %w", err)}
	}
	is, err := contentsOf(s.ram, s.state.Name())
	if err != nil {
		return err
	}
	if is != want {
		return &damaged{s.dir, fmt.Errorf("it is %+v, and was %+v", is, want)}
	}
	return nil
}
