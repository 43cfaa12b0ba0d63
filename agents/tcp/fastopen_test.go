package tcp_test

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"testbed/agents"
	"testbed/agents/tcp"
	"testbed/topo"
	"testbed/topo/netns"
	"testbed/topo/netns/netnstest"
	"testbed/topo/rtnl"
)

// synData is the bit of tcpi_options that tells of data in a SYN which the other end
// has acknowledged (TCPI_OPT_SYN_DATA in include/uapi/linux/tcp.h).
const synData = 1 << 5

// fastOpening is a namespace whose kernel does TCP Fast Open as the sysctl says.
func fastOpening(t *testing.T, value string) *netns.NS {
	t.Helper()
	ns := netnstest.Loopback(t)
	h, err := rtnl.Open(ns)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := h.SetSysctls([]topo.Sysctl{{Name: "net.ipv4.tcp_fastopen", Value: value}}); err != nil {
		t.Fatal(err)
	}
	return ns
}

// The first connection earns a cookie, the second one spends it. Either way the data
// gets across.
func TestFastOpen(t *testing.T) {
	for _, c := range []struct {
		name, sysctl string
		early        []bool
	}{
		{"both ends do it", "1027", []bool{false, true, true}},
		{"the server does not", "1", []bool{false, false, false}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ns := fastOpening(t, c.sysctl)
			listen(t, ns, 16, tcp.Echo)
			for i, want := range c.early {
				a, err := tcp.Connect(t.Context(), ns, netip.MustParseAddrPort("127.0.0.1:80"), tcp.Options{FastOpen: []byte("hello")})
				if err != nil || a.Outcome != agents.Connected {
					t.Fatalf("%+v, %v", a, err)
				}
				defer a.Conn.Close()
				info, err := tcp.Facts(a.Conn)
				if err != nil {
					t.Fatal(err)
				}
				if got := info.Options&synData != 0; got != want {
					t.Errorf("connection %d: data in the SYN: %t, expected %t", i+1, got, want)
				}
				x := tcp.Exchange(a.Conn, nil, func(b []byte) bool { return len(b) >= 5 }, 10*time.Second)
				if x.Outcome != agents.Answered || string(x.Answer) != "hello" {
					t.Errorf("connection %d: %s, %q", i+1, x.Outcome, x.Answer)
				}
			}
		})
	}
}

func TestFastOpenThatTheClientMayNot(t *testing.T) {
	a, err := tcp.Connect(t.Context(), fastOpening(t, "0"), netip.MustParseAddrPort("127.0.0.1:80"), tcp.Options{FastOpen: []byte("hello")})
	if err != nil || a.Outcome != agents.Failed || a.Errno != unix.EOPNOTSUPP {
		t.Errorf("%+v, %v; expected EOPNOTSUPP", a, err)
	}
}
