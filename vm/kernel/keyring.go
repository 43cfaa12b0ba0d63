package kernel

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
)

// debianKeys are the keys that sign bookworm's areas, as the package
// debian-archive-keyring has them. They expire in January 2031.
//
//go:embed keys/*.asc
var debianKeys embed.FS

// debianKeyring reads the keys that the program carries.
func debianKeyring() (openpgp.EntityList, error) {
	paths, err := fs.Glob(debianKeys, "keys/*.asc")
	if err != nil {
		return nil, err
	}
	var ring openpgp.EntityList
	for _, p := range paths {
		b, err := debianKeys.ReadFile(p)
		if err != nil {
			return nil, err
		}
		keys, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(b))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", p, err)
		}
		ring = append(ring, keys...)
	}
	return ring, nil
}

// ErrSignature says that the archive's index is not signed by the archive.
var ErrSignature = errors.New("not signed by a key of Debian's archive")

// verified is the text of a clear-signed message, without what may be around it.
func verified(ring openpgp.EntityList, message []byte) ([]byte, error) {
	block, _ := clearsign.Decode(message)
	if block == nil {
		return nil, fmt.Errorf("%w: no OpenPGP message", ErrSignature)
	}
	if _, err := block.VerifySignature(ring, nil); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return block.Plaintext, nil
}
