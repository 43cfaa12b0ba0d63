package tcp

import (
	"bufio"
	"io"
	"net"
	"strconv"
	"strings"
)

// Source sends as many bytes as it is asked for: each line that it reads is a decimal
// number, at most MaxSource. It closes at anything else.
func Source(c *net.TCPConn) {
	for in := bufio.NewReader(io.LimitReader(c, 1<<20)); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		n, err := strconv.ParseInt(strings.TrimRight(line, "\r\n"), 10, 64)
		if err != nil || n < 0 || n > MaxSource {
			return
		}
		if err := supply(c, n); err != nil {
			return
		}
	}
}

// MaxSource bounds what Source sends for one line, in bytes.
const MaxSource = 1 << 30

// supply writes n bytes.
func supply(w io.Writer, n int64) error {
	for block := make([]byte, chunk); n > 0; {
		k, err := w.Write(block[:min(int64(chunk), n)])
		if n -= int64(k); err != nil {
			return err
		}
	}
	return nil
}
