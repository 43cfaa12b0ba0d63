package kernel

import (
	"strings"
	"testing"
)

func TestReadCounters(t *testing.T) {
	const text = "IpExt: A B\nIpExt: 1 2\nTcpExt: SyncookiesSent ListenOverflows Gauge\nTcpExt: 7 42 -1\n"
	c, err := readCounters(strings.NewReader(text), "TcpExt:")
	if err != nil || c["ListenOverflows"] != 42 || c["SyncookiesSent"] != 7 || len(c) != 2 {
		t.Errorf("%v, %v", c, err)
	}
	for _, broken := range []string{"", "TcpExt: ListenOverflows\n", "TcpExt: A ListenOverflows\nTcpExt: 1\n", "TcpExt: ListenOverflows\nTcpExt: many\n"} {
		if c, err := readCounters(strings.NewReader(broken), "TcpExt:"); err == nil {
			t.Errorf("%q: %v", broken, c)
		}
	}
}
