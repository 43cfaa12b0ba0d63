// Package kerneltest makes small kernels, modules and packages for tests. They are
// well-formed, and nothing that boots.
package kerneltest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// Image is the beginning of a bzImage whose version string is banner.
func Image(banner string) []byte {
	b := make([]byte, 2*512, 3*512)
	b[0x1f1] = 2                                     // setup_sects
	binary.LittleEndian.PutUint16(b[0x1fe:], 0xaa55) // boot_flag
	copy(b[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(b[0x206:], 0x020f)      // version
	binary.LittleEndian.PutUint16(b[0x20e:], 0x400-0x200) // kernel_version
	b = append(b, banner...)
	return append(b, make([]byte, 512-len(banner)%512)...)
}

// Module is an ELF object with a section .modinfo of these entries, KEY=VALUE.
func Module(modinfo ...string) []byte {
	const names = "\x00.modinfo\x00.shstrtab\x00"
	info := strings.Join(modinfo, "\x00") + "\x00"
	var b bytes.Buffer
	put := func(v ...any) {
		for _, v := range v {
			binary.Write(&b, binary.LittleEndian, v) // a buffer takes everything
		}
	}
	const header, section = 64, 64
	at := uint64(header + len(names) + len(info))
	b.WriteString("\x7fELF\x02\x01\x01")
	b.Write(make([]byte, 9))
	put(uint16(1), uint16(62), uint32(1), uint64(0), uint64(0), at) // ET_REL, EM_X86_64
	put(uint32(0), uint16(header), uint16(0), uint16(0), uint16(section), uint16(3), uint16(2))
	b.WriteString(names)
	b.WriteString(info)
	b.Write(make([]byte, section))
	sectionHeader := func(name uint32, kind uint32, offset, size int) {
		put(name, kind, uint64(0), uint64(0), uint64(offset), uint64(size), uint32(0), uint32(0), uint64(1), uint64(0))
	}
	sectionHeader(1, 1, header+len(names), len(info)) // SHT_PROGBITS
	sectionHeader(10, 3, header, len(names))          // SHT_STRTAB
	return b.Bytes()
}

// File is an entry of an archive.
type File struct {
	Name    string
	Content []byte
	// Link, where it is not empty, makes it a symbolic link; Hard makes that a hard
	// one.
	Link string
	Hard bool
}

// Deb is a package of these files, compressed as the extension says: .xz, .zst,
// .gz or none.
func Deb(ext string, files ...File) []byte {
	var b bytes.Buffer
	b.WriteString("!<arch>\n")
	member(&b, "debian-binary", []byte("2.0\n"))
	member(&b, "control.tar", tarball(File{Name: "./control", Content: []byte("Package: linux-image-test\n")}))
	member(&b, "data.tar"+ext, Compress(ext, tarball(files...)))
	return b.Bytes()
}

func member(b *bytes.Buffer, name string, content []byte) {
	fmt.Fprintf(b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", name, 0, 0, 0, "100644", len(content))
	b.Write(content)
	if len(content)%2 == 1 {
		b.WriteByte('\n')
	}
}

func tarball(files ...File) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.Name, Mode: 0o644, Size: int64(len(f.Content)), Typeflag: tar.TypeReg}
		switch {
		case f.Link != "" && f.Hard:
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, f.Link, 0
		case f.Link != "":
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, f.Link, 0
		}
		must(w.WriteHeader(h))
		if h.Size > 0 {
			_, err := w.Write(f.Content)
			must(err)
		}
	}
	must(w.Close())
	return b.Bytes()
}

// Compress compresses as a file's extension says.
func Compress(ext string, content []byte) []byte {
	var (
		b   bytes.Buffer
		w   io.WriteCloser
		err error
	)
	switch ext {
	case ".xz":
		w, err = xz.NewWriter(&b)
	case ".zst":
		w, err = zstd.NewWriter(&b)
	case ".gz":
		w = gzip.NewWriter(&b)
	default:
		return content
	}
	must(err)
	_, err = w.Write(content)
	must(err)
	must(w.Close())
	return b.Bytes()
}

// must holds for what can't fail in memory.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// Kernel describes a kernel's package.
type Kernel struct {
	// Release is what uname -r prints, and Build what uname -v does.
	Release, Build string
	// Modules are the modules' names, with what each depends on, separated by commas.
	Modules map[string]string
	Builtin []string
	// Ext is how modules are compressed, such as ".xz"; empty for not.
	Ext string
}

// Files are what the kernel's package holds.
func (k Kernel) Files() []File {
	dir := "./lib/modules/" + k.Release + "/"
	files := []File{
		{Name: "./boot/vmlinuz-" + k.Release, Content: Image(k.Release + " (someone@example) " + k.Build)},
		{Name: "./boot/config-" + k.Release, Content: []byte("CONFIG_64BIT=y\n# CONFIG_HZ_100 is not set\nCONFIG_HZ=250\n")},
		{Name: "./boot/System.map-" + k.Release, Content: []byte("not wanted")},
	}
	builtin := ""
	for _, name := range k.Builtin {
		builtin += "kernel/net/" + name + ".ko\n"
	}
	files = append(files, File{Name: dir + "modules.builtin", Content: []byte(builtin)})
	for name, depends := range k.Modules {
		ko := Module("license=GPL", "depends="+depends, "name="+name)
		files = append(files, File{Name: dir + "kernel/net/" + name + ".ko" + k.Ext, Content: Compress(k.Ext, ko)})
	}
	return files
}
