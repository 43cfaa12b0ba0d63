package tcp_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"testbed/agents"
	"testbed/agents/tcp"
	"testbed/topo/netns"
	"testbed/topo/netns/netnstest"
)

func TestAwait(t *testing.T) {
	resetLater := func(c *net.TCPConn) { c.Read(make([]byte, 1)); c.SetLinger(0) }
	closeLater := func(c *net.TCPConn) { c.Read(make([]byte, 1)) }
	for _, c := range []struct {
		name     string
		handler  tcp.Handler
		timeout  time.Duration
		outcome  agents.Outcome
		errno    unix.Errno
		deadline bool
	}{
		{"closed", closeLater, 10 * time.Second, agents.Closed, 0, false},
		{"reset", resetLater, 10 * time.Second, agents.Reset, unix.ECONNRESET, false},
		{"its own timeout", tcp.Silent, 50 * time.Millisecond, agents.TimedOut, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			ns := netnstest.Loopback(t)
			listen(t, ns, 16, c.handler)
			a := connect(t, ns, "127.0.0.1:80", 0)
			a.Conn.Write([]byte("x"))
			e, err := tcp.Await(t.Context(), a.Conn, c.timeout)
			if err != nil {
				t.Fatal(err)
			}
			if e.Outcome != c.outcome || e.Errno != c.errno || e.Deadline != c.deadline {
				t.Errorf("%s, errno %d, deadline %t; expected %s, %d, %t", e.Outcome, e.Errno, e.Deadline, c.outcome, c.errno, c.deadline)
			}
			if c.deadline && e.Elapsed < c.timeout {
				t.Errorf("ended after %v, expected %v", e.Elapsed, c.timeout)
			}
		})
	}
}

func TestAwaitLeavesWhatArrives(t *testing.T) {
	ns := netnstest.Loopback(t)
	listen(t, ns, 16, func(c *net.TCPConn) { c.Write([]byte("goodbye")) })
	a := connect(t, ns, "127.0.0.1:80", 0)
	if e, err := tcp.Await(t.Context(), a.Conn, 10*time.Second); err != nil || e.Outcome != agents.Closed {
		t.Fatalf("%+v, %v; expected closed", e, err)
	}
	b := make([]byte, 16)
	if n, err := a.Conn.Read(b); string(b[:n]) != "goodbye" {
		t.Errorf("read %q, %v", b[:n], err)
	}
}

func TestAwaitIsCancelled(t *testing.T) {
	ns := netnstest.Loopback(t)
	listen(t, ns, 16, tcp.Silent)
	a := connect(t, ns, "127.0.0.1:80", 0)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := tcp.Await(ctx, a.Conn, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, expected cancelled", err)
	}
}

func TestHoldNeverCloses(t *testing.T) {
	ns := netnstest.Loopback(t)
	listen(t, ns, 16, tcp.Hold)
	a := connect(t, ns, "127.0.0.1:80", 0)
	a.Conn.CloseWrite()
	if e, err := tcp.Await(t.Context(), a.Conn, 100*time.Millisecond); err != nil || !e.Deadline {
		t.Errorf("%+v, %v; expected that nothing happens", e, err)
	}
}

func TestKeepAliveIsTheOneAskedFor(t *testing.T) {
	ns := netnstest.Loopback(t)
	listen(t, ns, 16, tcp.Silent)
	a, err := tcp.Connect(t.Context(), ns, netip.MustParseAddrPort("127.0.0.1:80"),
		tcp.Options{KeepAlive: net.KeepAliveConfig{Enable: true, Idle: 7200 * time.Second, Interval: 75 * time.Second, Count: 9}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Conn.Close()
	for _, o := range []struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1}, {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 7200},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 75}, {unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 9},
	} {
		if got := option(t, a.Conn, o.level, o.name); got != o.value {
			t.Errorf("option %d/%d is %d, expected %d", o.level, o.name, got, o.value)
		}
	}
}

func option(t *testing.T, c *net.TCPConn, level, name int) (value int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { value, err = unix.GetsockoptInt(int(fd), level, name) })
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// A port that a connection still has cannot be taken again.
func TestConnectFromAPort(t *testing.T) {
	for _, to := range []string{"127.0.0.1:80", "[::1]:80"} {
		ns := netnstest.Loopback(t)
		listen(t, ns, 16, tcp.Silent)
		first := connectFrom(t, ns, to, 40000)
		if first.Outcome != agents.Connected || first.Local.Port() != 40000 {
			t.Fatalf("%s: %s from %s, expected port 40000", to, first.Outcome, first.Local)
		}
		if again := connectFrom(t, ns, to, 40000); again.Outcome != agents.Failed || again.Errno != unix.EADDRINUSE {
			t.Errorf("%s: the port again: %s, %v; expected EADDRINUSE", to, again.Outcome, again.Errno)
		}
	}
}

func connectFrom(t *testing.T, ns *netns.NS, to string, port uint16) *tcp.Attempt {
	t.Helper()
	a, err := tcp.Connect(t.Context(), ns, netip.MustParseAddrPort(to), tcp.Options{Port: port})
	if err != nil {
		t.Fatal(err)
	}
	if a.Conn != nil {
		t.Cleanup(func() { a.Conn.Close() })
	}
	return a
}

func TestReadInfo(t *testing.T) {
	ns := netnstest.Loopback(t)
	listen(t, ns, 16, tcp.Echo)
	a := connect(t, ns, "127.0.0.1:80", 0)
	info, err := tcp.ReadInfo(a.Conn)
	if err != nil {
		t.Fatal(err)
	}
	// RTO is the RTT and at least 200 ms (TCP_RTO_MIN).
	if info.RTO < 200*time.Millisecond || info.RTO < info.RTT || info.RTT <= 0 || info.BackedOff {
		t.Errorf("%+v", info)
	}
}
