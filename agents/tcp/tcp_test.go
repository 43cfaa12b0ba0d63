package tcp_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"testbed/agents"
	"testbed/agents/tcp"
	"testbed/topo"
	"testbed/topo/netns"
	"testbed/topo/netns/netnstest"
	"testbed/topo/sandbox"
)

func TestMain(m *testing.M) { sandbox.TestMain(m) }

func listen(t *testing.T, ns *netns.NS, backlog int, h tcp.Handler) {
	t.Helper()
	l, err := tcp.Listen(ns, 80, backlog, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

func connect(t *testing.T, ns *netns.NS, to string, timeout time.Duration) *tcp.Attempt {
	t.Helper()
	a, err := tcp.Connect(context.Background(), ns, netip.MustParseAddrPort(to), tcp.Options{Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	if a.Conn != nil {
		t.Cleanup(func() { a.Conn.Close() })
	}
	return a
}

func TestConnectEndsWithTheKernelsErrno(t *testing.T) {
	ns := netnstest.Loopback(t)
	listen(t, ns, 16, tcp.Echo)
	for _, c := range []struct {
		to      string
		outcome agents.Outcome
		errno   unix.Errno
	}{
		{"127.0.0.1:80", agents.Connected, 0},
		{"[::1]:80", agents.Connected, 0},
		{"127.0.0.1:81", agents.Refused, unix.ECONNREFUSED},
		{"[::1]:81", agents.Refused, unix.ECONNREFUSED},
		{"192.0.2.1:80", agents.NetworkUnreachable, unix.ENETUNREACH},
		{"255.255.255.255:80", agents.NetworkUnreachable, unix.ENETUNREACH},
	} {
		a := connect(t, ns, c.to, 0)
		if a.Outcome != c.outcome || a.Errno != c.errno || (a.Conn != nil) != (c.outcome == agents.Connected) {
			t.Errorf("%s: %s, errno %d; want %s, %d", c.to, a.Outcome, a.Errno, c.outcome, c.errno)
		}
	}
}

func TestOutcomeOfEveryErrno(t *testing.T) {
	for errno, want := range map[unix.Errno]agents.Outcome{
		0: agents.Connected, unix.ECONNREFUSED: agents.Refused, unix.ETIMEDOUT: agents.TimedOut,
		unix.EHOSTUNREACH: agents.HostUnreachable, unix.ENETUNREACH: agents.NetworkUnreachable,
		unix.ECONNRESET: agents.Reset, unix.EACCES: agents.Denied, unix.EPERM: agents.Denied, unix.EINVAL: agents.Failed,
	} {
		if got := tcp.OutcomeOf(errno); got != want {
			t.Errorf("errno %d is %s, want %s", errno, got, want)
		}
	}
}

// fullQueue is a namespace whose listener takes two connections, both taken.
func fullQueue(t *testing.T) *netns.NS {
	ns := netnstest.Loopback(t)
	listen(t, ns, 1, nil)
	for range 2 {
		if a := connect(t, ns, "127.0.0.1:80", 0); a.Outcome != agents.Connected {
			t.Fatalf("a queue with room: %s", a.Outcome)
		}
	}
	return ns
}

func TestAFullAcceptQueueTimesOut(t *testing.T) {
	a := connect(t, fullQueue(t), "127.0.0.1:80", 50*time.Millisecond)
	if a.Outcome != agents.TimedOut || !a.Deadline || a.Errno != 0 || a.Elapsed < 50*time.Millisecond {
		t.Errorf("%s, deadline %t, errno %v after %v; want its own deadline", a.Outcome, a.Deadline, a.Errno, a.Elapsed)
	}
}

func TestConnectIsCancelled(t *testing.T) {
	ns := fullQueue(t)
	ctx, cancel := context.WithCancel(context.Background())
	// The local address is told while the attempt is under way.
	started := func(local netip.AddrPort) {
		if !local.IsValid() {
			t.Error("no local address")
		}
		cancel()
	}
	_, err := tcp.Connect(ctx, ns, netip.MustParseAddrPort("127.0.0.1:80"), tcp.Options{OnStart: started})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want cancelled", err)
	}
}

func TestExchangeWithEveryServer(t *testing.T) {
	for _, c := range []struct {
		serve   topo.Serve
		handler tcp.Handler
		outcome agents.Outcome
		answer  string
	}{
		{topo.ServeEcho, tcp.Echo, agents.Answered, "hello"},
		{topo.ServeBanner, tcp.Banner("220 ready"), agents.Answered, "220 ready\r\nhello"},
		{topo.ServeSilent, tcp.Silent, agents.TimedOut, ""},
		{topo.ServeClose, tcp.Close, agents.Closed, ""},
		{topo.ServeReset, tcp.Reset, agents.Reset, ""},
	} {
		ns := netnstest.Loopback(t)
		listen(t, ns, 16, c.handler)
		a := connect(t, ns, "127.0.0.1:80", 0)
		if a.Outcome == agents.Reset && c.outcome == agents.Reset {
			continue // over loopback the RST can be there before connect returns
		}
		complete := func(answer []byte) bool { return c.answer != "" && len(answer) >= len(c.answer) }
		timeout := 10 * time.Second
		if c.outcome == agents.TimedOut {
			timeout = 20 * time.Millisecond
		}
		x := tcp.Exchange(a.Conn, []byte("hello"), complete, timeout)
		if x.Outcome != c.outcome || string(x.Answer) != c.answer || (x.FirstByte != nil) != (c.answer != "") {
			t.Errorf("%s: %s (errno %v), %q; want %s, %q", c.serve, x.Outcome, x.Errno, x.Answer, c.outcome, c.answer)
		}
	}
}

func TestExchangeOfManyBytes(t *testing.T) {
	ns := netnstest.Loopback(t)
	listen(t, ns, 16, tcp.Echo)
	a := connect(t, ns, "127.0.0.1:80", 0)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
	x := tcp.Exchange(a.Conn, sent, func(b []byte) bool { return len(b) >= len(sent) }, 10*time.Second)
	if x.Outcome != agents.Answered || !bytes.Equal(x.Answer, sent) {
		t.Errorf("%s, %d of %d bytes", x.Outcome, len(x.Answer), len(sent))
	}
}

func TestCloseEndsConnectionsAndFreesThePort(t *testing.T) {
	ns := netnstest.Loopback(t)
	for range 2 {
		l, err := tcp.Listen(ns, 80, 16, tcp.Silent)
		if err != nil {
			t.Fatal(err)
		}
		a := connect(t, ns, "127.0.0.1:80", 0)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		a.Conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := a.Conn.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the connection outlives its listener: %v", err)
		}
	}
}

// An idle connection sends nothing: package net would probe it after 15 s.
func TestConnectionsAreQuiet(t *testing.T) {
	ns := netnstest.Loopback(t)
	served := make(chan *net.TCPConn, 1)
	listen(t, ns, 16, func(c *net.TCPConn) { served <- c; tcp.Silent(c) })
	a := connect(t, ns, "127.0.0.1:80", 0)
	for end, c := range map[string]*net.TCPConn{"client": a.Conn, "server": <-served} {
		raw, err := c.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raw.Control(func(fd uintptr) {
			if on, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE); on != 0 || err != nil {
				t.Errorf("the %s's keep-alive is %d (%v)", end, on, err)
			}
		})
	}
}
