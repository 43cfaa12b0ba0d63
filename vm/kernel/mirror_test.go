package kernel

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"testbed/vm/kernel/kerneltest"
)

// mirror serves an archive of packages that it signs itself.
type mirror struct {
	url string
	key *openpgp.Entity
	// serve, where it is not nil, answers before the files do, and says so.
	serve func(w http.ResponseWriter, r *http.Request) bool

	mu    sync.Mutex
	files map[string][]byte
	// asked are the paths of the requests.
	asked []string
}

func newKey(t *testing.T) *openpgp.Entity {
	t.Helper()
	key, err := openpgp.NewEntity("archive", "", "archive@example", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newMirror has all areas, and nothing in them.
func newMirror(t *testing.T) *mirror {
	t.Helper()
	m := &mirror{key: newKey(t), files: map[string][]byte{}}
	for _, a := range areas {
		m.publish(t, a, ".xz")
	}
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	m.url = server.URL
	return m
}

// ServeHTTP serves the files.
func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	m.asked = append(m.asked, r.URL.Path)
	content, ok := m.files[r.URL.Path]
	m.mu.Unlock()
	switch {
	case m.serve != nil && m.serve(w, r):
	case ok:
		w.Write(content)
	default:
		http.NotFound(w, r)
	}
}

// options trust the mirror's key.
func (m *mirror) options() FetchOptions {
	return FetchOptions{Mirror: m.url, Keys: openpgp.EntityList{m.key}}
}

// published is a package of an area.
type published struct {
	name, version string
	deb           []byte
}

// publish makes an area hold these packages, with an index that is compressed as
// the extension says.
func (m *mirror) publish(t *testing.T, a area, ext string, list ...published) {
	t.Helper()
	var index strings.Builder
	for _, p := range append([]published{{name: "linux-image-6.12-cloud-amd64", version: "6.12.999-1"}, {name: "bash", version: "5"}}, list...) {
		file := "pool/main/l/linux/" + p.name + "_" + p.version + "_amd64.deb"
		m.files["/"+a.folder+"/"+file] = p.deb
		fmt.Fprintf(&index, "Package: %s\nVersion: %s\nDepends: a (= 1),\n b\nFilename: %s\nSize: %d\nSHA256: %x\n\n", p.name, p.version, file, len(p.deb), sha256.Sum256(p.deb))
	}
	m.index(t, a, ext, index.String())
}

// index makes this an area's index.
func (m *mirror) index(t *testing.T, a area, ext, index string) {
	t.Helper()
	suite := "/" + a.folder + "/dists/" + a.suite + "/"
	packages := kerneltest.Compress(ext, []byte(index))
	m.files[suite+"main/binary-amd64/Packages"+ext] = packages
	m.files[suite+"InRelease"] = m.sign(t, fmt.Sprintf("Origin: Debian\nCodename: %s\nMD5Sum:\n 00 1 main/binary-amd64/Packages\nSHA256:\n %x %d main/binary-amd64/Packages%s\n",
		a.suite, sha256.Sum256(packages), len(packages), ext))
}

func (m *mirror) sign(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := clearsign.Encode(&b, m.key.PrivateKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// path is the one file of the mirror whose path contains all of the words.
func (m *mirror) path(t *testing.T, words ...string) string {
	t.Helper()
	for _, p := range slices.Sorted(maps.Keys(m.files)) {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(p, w) }) {
			return p
		}
	}
	t.Fatalf("no file with %q in %v", words, slices.Collect(maps.Keys(m.files)))
	return ""
}

// packageOf is the package of a kernel.
func packageOf(k kerneltest.Kernel, version string) published {
	return published{name: "linux-image-" + k.Release, version: version, deb: kerneltest.Deb(".xz", k.Files()...)}
}
