package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

// The setup header of a bzImage (Documentation/arch/x86/boot.rst, "The Real-Mode
// Kernel Header").
const (
	offSetupSects    = 0x1f1 // the size of the real-mode code, in sectors
	offBootFlag      = 0x1fe // 0xaa55
	offHeader        = 0x202 // "HdrS"
	offProtocol      = 0x206
	offKernelVersion = 0x20e // where the version string is, less 0x200
	headerEnd        = 0x250
	sector           = 512
	// protocolRelocatable is the first boot protocol that has what kernels since
	// 2.6.20 need; older images are of no use here.
	protocolRelocatable = 0x0205
)

// ErrNotBzImage says that a file is no kernel that a PC boots.
var ErrNotBzImage = errors.New("not a bzImage")

// readImage reads what an image says of itself. Source and Modules stay empty.
func readImage(path string) (Kernel, error) {
	f, err := os.Open(path)
	if err != nil {
		return Kernel{}, fmt.Errorf("read kernel image: %w", err)
	}
	defer f.Close()
	head := make([]byte, 65*sector) // the boot sector, and at most 64 of setup code
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return Kernel{}, fmt.Errorf("read kernel image: %w", err)
	}
	banner, err := bannerOf(head[:n])
	if err != nil {
		return Kernel{}, fmt.Errorf("read kernel image %s: %w", path, err)
	}
	k := fromBanner(banner)
	k.Image = path
	return k, nil
}

// bannerOf is the version string in the first sectors of a bzImage: the release,
// who built it, and what uname -v prints.
func bannerOf(head []byte) (string, error) {
	if len(head) < headerEnd || binary.LittleEndian.Uint16(head[offBootFlag:]) != 0xaa55 || string(head[offHeader:offHeader+4]) != "HdrS" {
		return "", ErrNotBzImage
	}
	if p := binary.LittleEndian.Uint16(head[offProtocol:]); p < protocolRelocatable {
		return "", fmt.Errorf("%w of boot protocol 2.05 or later: it has %d.%02d", ErrNotBzImage, p>>8, p&0xff)
	}
	sects := int(head[offSetupSects])
	if sects == 0 {
		sects = 4 // as the boot protocol has it
	}
	at := int(binary.LittleEndian.Uint16(head[offKernelVersion:])) + 0x200
	end := min((sects+1)*sector, len(head))
	if at == 0x200 || at >= end {
		return "", fmt.Errorf("%w with a version in its setup code", ErrNotBzImage)
	}
	s, _, ended := bytes.Cut(head[at:end], []byte{0})
	if !ended || !isBanner.Match(s) {
		return "", fmt.Errorf("%w with a version in its setup code", ErrNotBzImage)
	}
	return string(s), nil
}

var (
	// isBanner holds for a version string whose release can be a folder's name.
	isBanner = regexp.MustCompile(`^[0-9]+\.[0-9]+[0-9A-Za-z.+_~-]*( [[:print:]]*)?$`)
	// debianBuild finds the package's version, which begins with the upstream one.
	debianBuild = regexp.MustCompile(`\bDebian ([0-9]+(?:\.[0-9]+)+)`)
	leading     = regexp.MustCompile(`^[0-9]+(\.[0-9]+)*`)
)

// fromBanner takes a version string apart.
func fromBanner(banner string) Kernel {
	release, rest, _ := strings.Cut(banner, " ")
	k := Kernel{Release: release, Build: rest, Version: leading.FindString(release)}
	if _, build, ok := strings.Cut(rest, ") "); ok {
		k.Build = build
	}
	if m := debianBuild.FindStringSubmatch(k.Build); m != nil {
		k.Version = m[1]
	}
	return k
}
