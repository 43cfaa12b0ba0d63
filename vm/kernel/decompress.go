package kernel

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// maxWindow bounds the memory that a compressed file can ask for, in bytes.
const maxWindow = 128 << 20

// decompress reads what is compressed as a file's extension says; any that is not
// of a compression is plain. Closing it does not close r.
func decompress(r io.Reader, ext string) (io.ReadCloser, error) {
	switch ext {
	case ".xz":
		c := xz.ReaderConfig{DictCap: lzma.MinDictCap} // what the file itself says, if it is more
		d, err := c.NewReader(bufio.NewReader(r))
		if err != nil {
			return nil, fmt.Errorf("read xz: %w", err)
		}
		return io.NopCloser(d), nil
	case ".zst":
		d, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, fmt.Errorf("read zstd: %w", err)
		}
		return d.IOReadCloser(), nil
	case ".gz":
		d, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("read gzip: %w", err)
		}
		return d, nil
	}
	return io.NopCloser(r), nil
}
