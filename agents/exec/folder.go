package exec

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// replaceFolder replaces /etc by a folder that holds files, and beside them all
// that /etc holds: each of its entries is bound to a place there, and links are
// made anew.
func replaceFolder(scratch string, files map[string]string) error {
	dir := filepath.Join(scratch, "etc")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("make another /etc: %w", err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return fmt.Errorf("write another /etc: %w", err)
		}
	}
	entries, err := os.ReadDir(etc)
	if err != nil {
		return fmt.Errorf("give the program a hosts file: %w", err)
	}
	for _, e := range entries {
		if _, replaced := files[e.Name()]; replaced {
			continue
		}
		if err := appear(filepath.Join(etc, e.Name()), filepath.Join(dir, e.Name()), e.Type()); err != nil {
			return err
		}
	}
	if err := unix.Mount(dir, etc, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind over %s: %w", etc, err)
	}
	return nil
}

// appear makes what is at one path appear at another one, too.
func appear(from, at string, kind os.FileMode) error {
	switch {
	case kind&os.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err == nil {
			err = os.Symlink(target, at)
		}
		return err
	case kind.IsDir():
		if err := os.Mkdir(at, 0o755); err != nil {
			return err
		}
	default:
		if err := os.WriteFile(at, nil, 0o644); err != nil {
			return err
		}
	}
	if err := unix.Mount(from, at, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s: %w", from, err)
	}
	return nil
}
