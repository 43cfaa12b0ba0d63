package tcp_test

import (
	"io"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"testbed/agents"
	"testbed/agents/tcp"
	"testbed/topo/netns/netnstest"
)

const later = 50 * time.Millisecond

func TestServersThatEndTheConnectionLater(t *testing.T) {
	for _, c := range []struct {
		name    string
		handler tcp.Handler
		send    string
		outcome agents.Outcome
	}{
		{"close", tcp.After(later, tcp.Close), "", agents.Closed},
		{"reset", tcp.After(later, tcp.Reset), "", agents.Reset},
		{"no-read, with nothing to read", tcp.Unread(later), "", agents.Closed},
		{"no-read, with unread data", tcp.Unread(later), "hello", agents.Reset},
	} {
		t.Run(c.name, func(t *testing.T) {
			ns := netnstest.Loopback(t)
			listen(t, ns, 16, c.handler)
			a := connect(t, ns, "127.0.0.1:80", 0)
			x := tcp.Exchange(a.Conn, []byte(c.send), func([]byte) bool { return false }, 10*time.Second)
			if x.Outcome != c.outcome || time.Since(a.Began) < later {
				t.Errorf("%s after %v; expected %s after %v", x.Outcome, time.Since(a.Began), c.outcome, later)
			}
		})
	}
}

// Who serves for ever must still let the listener end.
func TestUnreadEndsWithItsListener(t *testing.T) {
	ns := netnstest.Loopback(t)
	listen(t, ns, 16, tcp.Unread(0))
	a := connect(t, ns, "127.0.0.1:80", 0)
	if e, err := tcp.Await(t.Context(), a.Conn, later); err != nil || !e.Deadline {
		t.Errorf("%+v, %v; expected that nothing happens", e, err)
	}
}

func TestCollectAnswersAtTheEnd(t *testing.T) {
	ns := netnstest.Loopback(t)
	listen(t, ns, 16, tcp.Collect)
	a := connect(t, ns, "127.0.0.1:80", 0)
	never := func([]byte) bool { return false }
	if x := tcp.Exchange(a.Conn, []byte("one, "), never, later); x.Outcome != agents.TimedOut || len(x.Answer) > 0 {
		t.Errorf("%s, %q before the end", x.Outcome, x.Answer)
	}
	io.WriteString(a.Conn, "two")
	a.Conn.CloseWrite()
	// Nothing is written: that would fail now.
	if x := tcp.Exchange(a.Conn, nil, never, 10*time.Second); x.Outcome != agents.Closed || string(x.Answer) != "one, two" {
		t.Errorf("%s (%v), %q; expected everything, and the end", x.Outcome, x.Errno, x.Answer)
	}
}

func TestUserTimeout(t *testing.T) {
	ns := netnstest.Loopback(t)
	listen(t, ns, 16, tcp.Silent)
	a, err := tcp.Connect(t.Context(), ns, netip.MustParseAddrPort("127.0.0.1:80"), tcp.Options{UserTimeout: 1500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Conn.Close()
	if got := option(t, a.Conn, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT); got != 1500 {
		t.Errorf("TCP_USER_TIMEOUT is %d, expected 1500", got)
	}
}
