package kernel

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// releaseFile is an archive's index of indexes (apt-ftparchive(1), Release).
type releaseFile struct {
	codename string
	byHash   bool
	// digests are the SHA-256 ones, by the file's path below the suite.
	digests map[string]digest
}

// parseRelease reads what it knows of and passes over the rest.
func parseRelease(text []byte) releaseFile {
	r := releaseFile{digests: map[string]digest{}}
	section := ""
	for line := range bytes.Lines(text) {
		line := strings.TrimRight(string(line), "\r\n")
		if !strings.HasPrefix(line, " ") {
			field, value, _ := strings.Cut(line, ":")
			switch section = field; field {
			case "Codename":
				r.codename = strings.TrimSpace(value)
			case "Acquire-By-Hash":
				r.byHash = strings.TrimSpace(value) == "yes"
			}
			continue
		}
		if f := strings.Fields(line); section == "SHA256" && len(f) == 3 {
			if d, err := parseDigest(f[0], f[1]); err == nil {
				r.digests[f[2]] = d
			}
		}
	}
	return r
}

func parseDigest(sum, size string) (digest, error) {
	n, err := strconv.ParseInt(size, 10, 64)
	if b, herr := hex.DecodeString(sum); err != nil || herr != nil || len(b) != 32 || n < 0 {
		return digest{}, fmt.Errorf("SHA-256 %q of %q bytes: not a digest", sum, size)
	}
	return digest{size: n, sha256: strings.ToLower(sum)}, nil
}

// linuxPackage is a kernel in the archive.
type linuxPackage struct {
	name, version string
	// release is the kernel's.
	release string
	// file is its path, or its URL.
	file   string
	digest digest
}

// kernel is what is known of the kernel in a package that is not here yet.
func (p linuxPackage) kernel() Kernel {
	_, version, ok := strings.Cut(p.version, ":") // an epoch
	if !ok {
		version = p.version
	}
	version, _, _ = strings.Cut(version, "-")
	return Kernel{Version: leading.FindString(version), Release: p.release}
}

// linuxPackageName holds for a kernel and not for what merely depends on the
// newest one, whose name has no full version.
var linuxPackageName = regexp.MustCompile(`^linux-image-([0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+~-]*-cloud-amd64)$`)

// maxStanza bounds what an index says of one package, in bytes.
const maxStanza = 1 << 20

// parsePackages finds the kernels in an index of packages (deb-control(5)).
func parsePackages(r io.Reader) ([]linuxPackage, error) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxStanza)
	s.Split(stanzas)
	var list []linuxPackage
	for s.Scan() {
		if !bytes.HasPrefix(s.Bytes(), []byte("Package: linux-image-")) {
			continue
		}
		p, ok, err := parsePackage(s.Text())
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, p)
		}
	}
	return list, s.Err()
}

// stanzas splits at empty lines.
func stanzas(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.Index(data, []byte("\n\n")); i >= 0 {
		return i + 2, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// parsePackage reads a stanza; ok is false if it is not of a kernel.
func parsePackage(stanza string) (p linuxPackage, ok bool, err error) {
	field := map[string]string{}
	for line := range strings.Lines(stanza) {
		if name, value, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, " ") {
			field[name] = strings.TrimSpace(value)
		}
	}
	p = linuxPackage{name: field["Package"], version: field["Version"], file: field["Filename"]}
	m := linuxPackageName.FindStringSubmatch(p.name)
	if m == nil {
		return linuxPackage{}, false, nil
	}
	p.release = m[1]
	if p.digest, err = parseDigest(field["SHA256"], field["Size"]); err != nil {
		return p, false, fmt.Errorf("package %s: %w", p.name, err)
	}
	if !filepath.IsLocal(p.file) {
		return p, false, fmt.Errorf("package %s: its file %q is outside of the archive", p.name, p.file)
	}
	return p, true, nil
}

// inFolder makes the packages' paths URLs.
func inFolder(list []linuxPackage, url string) {
	for i := range list {
		list[i].file = url + list[i].file
	}
}

// sortPackages sorts the newest first.
func sortPackages(list []linuxPackage) {
	slices.SortStableFunc(list, func(a, b linuxPackage) int {
		return cmp.Or(compareVersions(b.version, a.version), cmp.Compare(a.name, b.name))
	})
}

// versions are those of the packages, the newest first, each once.
func versions(list []linuxPackage) (names []string) {
	sortPackages(list)
	for _, p := range list {
		if v := p.kernel().Version; !slices.Contains(names, v) {
			names = append(names, v)
		}
	}
	return names
}
