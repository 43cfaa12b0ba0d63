package kernel

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// Bounds of what a package unpacks to.
const (
	maxFiles    = 50_000
	maxUnpacked = 2 << 30 // bytes
)

// Errors of a package.
var (
	// ErrNotDeb says that a file is no Debian package.
	ErrNotDeb = errors.New("not a Debian package")
	// ErrNoKernel says that a package does not hold a kernel with its modules.
	ErrNoKernel = errors.New("not a package of a kernel")
)

// The layout of an ar archive (deb(5), ar(5)).
const (
	arMagic      = "!<arch>\n"
	arHeaderSize = 60
)

// debData is the member of a package that holds its files, and the extension that
// tells its compression.
func debData(r io.Reader) (data io.Reader, ext string, err error) {
	magic := make([]byte, len(arMagic))
	if _, err := io.ReadFull(r, magic); err != nil || string(magic) != arMagic {
		return nil, "", ErrNotDeb
	}
	for first := true; ; first = false {
		name, size, err := arHeader(r)
		switch {
		case err != nil:
			return nil, "", fmt.Errorf("%w: %w", ErrNotDeb, err)
		case first && name != "debian-binary":
			return nil, "", fmt.Errorf("%w: it begins with %q", ErrNotDeb, name)
		case strings.HasPrefix(name, "data.tar"):
			return io.LimitReader(r, size), strings.TrimPrefix(name, "data.tar"), nil
		}
		if _, err := io.CopyN(io.Discard, r, size+size%2); err != nil {
			return nil, "", fmt.Errorf("%w: cut off in %s", ErrNotDeb, name)
		}
	}
}

// arHeader reads the header of a member.
func arHeader(r io.Reader) (name string, size int64, err error) {
	h := make([]byte, arHeaderSize)
	if _, err := io.ReadFull(r, h); err != nil {
		return "", 0, errors.New("it has no files")
	}
	size, err = strconv.ParseInt(string(bytes.TrimRight(h[48:58], " ")), 10, 64)
	if err != nil || size < 0 || size > maxUnpacked || string(h[58:]) != "`\n" {
		return "", 0, errors.New("a broken header")
	}
	return strings.TrimRight(string(h[:16]), " /"), size, nil
}

// unpackDeb writes the image, its configuration and its modules into dir, which
// must be empty: boot/vmlinuz-*, boot/config-*, lib/modules/*. Modules are
// decompressed, so that they load fast. Links are left out.
func unpackDeb(ctx context.Context, deb io.Reader, dir string) error {
	data, ext, err := debData(deb)
	if err != nil {
		return err
	}
	plain, err := decompress(data, ext)
	if err != nil {
		return err
	}
	defer plain.Close()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	u := unpacker{root: root, left: maxUnpacked}
	archive := tar.NewReader(io.LimitReader(plain, maxUnpacked))
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = u.unpack(h, archive)
		}
		if err != nil {
			return fmt.Errorf("unpack: %w", err)
		}
	}
}

// unpacker writes files below a root that nothing leads out of.
type unpacker struct {
	root  *os.Root
	files int64
	// left is how many bytes may still be written.
	left int64
}

// unpack writes a file, if it is wanted.
func (u *unpacker) unpack(h *tar.Header, content io.Reader) error {
	name := path.Clean(h.Name)
	if !filepath.IsLocal(name) {
		return fmt.Errorf("%q leads out of the folder", h.Name)
	}
	name = strings.TrimPrefix(name, "usr/")
	if h.Typeflag != tar.TypeReg || !wanted(name) {
		return nil
	}
	if u.files++; u.files > maxFiles {
		return fmt.Errorf("more than %d files", maxFiles)
	}
	if ext := path.Ext(name); ext != ".ko" && strings.HasSuffix(strings.TrimSuffix(name, ext), ".ko") {
		plain, err := decompress(content, ext)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		defer plain.Close()
		content, name = plain, strings.TrimSuffix(name, ext)
	}
	return u.write(name, content)
}

// wanted holds for what a guest needs of a kernel's package.
func wanted(name string) bool {
	dir, base := path.Split(name)
	if dir == "boot/" {
		return strings.HasPrefix(base, "vmlinuz-") || strings.HasPrefix(base, "config-")
	}
	return strings.HasPrefix(dir, "lib/modules/")
}

func (u *unpacker) write(name string, content io.Reader) error {
	if err := u.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, io.LimitReader(content, u.left+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if u.left -= n; u.left < 0 {
		return fmt.Errorf("%s: more than %d bytes in all", name, maxUnpacked)
	}
	return nil
}

// noKernel says what is wrong with what a package unpacked to.
func noKernel(err error) error {
	var missing *NoModules
	switch {
	case errors.Is(err, ErrNotBzImage):
		return fmt.Errorf("%w: its image is %w", ErrNoKernel, ErrNotBzImage)
	case errors.As(err, &missing):
		return fmt.Errorf("%w: it holds no modules of kernel %s", ErrNoKernel, missing.Release)
	}
	return fmt.Errorf("%w: it holds no boot/vmlinuz-*", ErrNoKernel)
}
