package server_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"testbed/agents"
	"testbed/agents/server"
	"testbed/agents/tcp"
	agenttls "testbed/agents/tls"
	"testbed/topo"
	"testbed/topo/netns/netnstest"
	"testbed/topo/sandbox"
)

func TestMain(m *testing.M) { sandbox.TestMain(m) }

// node has nothing but its loopback interface.
func node(t *testing.T) server.Node {
	t.Helper()
	ns := netnstest.Loopback(t)
	authority, err := agenttls.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	return server.Node{NS: ns, Name: "server", Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Authority: authority}
}

func start(t *testing.T, n server.Node, l topo.Listener) {
	t.Helper()
	s, err := server.Start(n, l)
	if err != nil {
		t.Fatalf("%s: %v", l.Serve, err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func connect(t *testing.T, n server.Node, address string, timeout time.Duration) *tcp.Attempt {
	t.Helper()
	a, err := tcp.Connect(t.Context(), n.NS, netip.MustParseAddrPort(address), tcp.Options{Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	if a.Conn != nil {
		t.Cleanup(func() { a.Conn.Close() })
	}
	return a
}

// TestEveryKindListens on both families.
func TestEveryKindListens(t *testing.T) {
	n := node(t)
	for i, kind := range topo.Serves {
		start(t, n, topo.Listener{Port: 1000 + uint16(i), Serve: kind})
		for _, a := range []string{"127.0.0.1", "::1"} {
			to := netip.AddrPortFrom(netip.MustParseAddr(a), 1000+uint16(i)).String()
			got := connect(t, n, to, 0).Outcome
			if soon := kind == topo.ServeReset && got == agents.Reset; got != agents.Connected && !soon {
				t.Errorf("%s on %s: %s", kind, to, got)
			}
		}
	}
}

// TestBacklog counts how many connections a server takes that accepts none.
func TestBacklog(t *testing.T) {
	n := node(t)
	for port, c := range map[uint16]struct {
		backlog, room int
	}{1000: {0, 2}, 1001: {3, 4}} {
		start(t, n, topo.Listener{Port: port, Serve: topo.ServeNoAccept, Backlog: c.backlog})
		to := netip.AddrPortFrom(n.Addresses[0], port).String()
		for range c.room {
			if a := connect(t, n, to, 0); a.Outcome != agents.Connected {
				t.Errorf("backlog %d: %s", c.backlog, a.Outcome)
			}
		}
		if a := connect(t, n, to, 50*time.Millisecond); a.Outcome != agents.TimedOut {
			t.Errorf("backlog %d: %s, with no room", c.backlog, a.Outcome)
		}
	}
}

func TestWhatCannotBeServed(t *testing.T) {
	n := node(t)
	start(t, n, topo.Listener{Port: 80, Serve: topo.ServeEcho})
	for _, c := range []struct {
		l    topo.Listener
		want []string
	}{
		{topo.Listener{Port: 81, Serve: "gopher"}, []string{"serve gopher on port 81", "no such kind"}},
		{topo.Listener{Port: 82, Serve: topo.ServeHTTPS, TLS: "1.9"}, []string{"serve https on port 82"}},
		{topo.Listener{Port: 80, Serve: topo.ServeEcho}, []string{"80", "in use"}},
	} {
		s, err := server.Start(n, c.l)
		if err == nil {
			s.Close()
			t.Errorf("%+v is served", c.l)
			continue
		}
		if slices.ContainsFunc(c.want, func(s string) bool { return !strings.Contains(err.Error(), s) }) {
			t.Errorf("%+v: %v", c.l, err)
		}
	}
}
