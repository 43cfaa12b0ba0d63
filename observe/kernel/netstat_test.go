package kernel

import (
	"strings"
	"testing"
)

func TestReadCounter(t *testing.T) {
	const text = "IpExt: A B\nIpExt: 1 2\nTcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 7 42 43\n"
	if n, err := readCounter(strings.NewReader(text), "TcpExt:", "ListenOverflows"); n != 42 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for _, broken := range []string{"", "TcpExt: ListenOverflows\n", "TcpExt: A ListenOverflows\nTcpExt: 1\n", "TcpExt: ListenOverflows\nTcpExt: many\n"} {
		if n, err := readCounter(strings.NewReader(broken), "TcpExt:", "ListenOverflows"); err == nil {
			t.Errorf("%q: %d", broken, n)
		}
	}
}
