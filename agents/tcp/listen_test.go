package tcp_test

import (
	"errors"
	"io"
	"net/netip"
	"sync"
	"testing"
	"time"

	"testbed/agents"
	"testbed/agents/tcp"
	"testbed/topo/netns/netnstest"
)

// Whom the kernel has let in before a server closes hears of it by a FIN, whether the
// server has come to accept it or not.
func TestWhoWaitsToBeAcceptedIsClosed(t *testing.T) {
	const clients, rounds = 16, 20
	server := netip.MustParseAddrPort("127.0.0.1:80")
	ns := netnstest.Loopback(t)
	for range rounds {
		l, err := tcp.Listen(ns, 80, clients, tcp.Echo)
		if err != nil {
			t.Fatal(err)
		}
		var attempts [clients]*tcp.Attempt
		var failed [clients]error
		var all sync.WaitGroup
		for i := range attempts {
			all.Go(func() {
				attempts[i], failed[i] = tcp.Connect(t.Context(), ns, server, tcp.Options{Timeout: time.Minute})
			})
		}
		all.Wait()
		if err := errors.Join(failed[:]...); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		for i, a := range attempts {
			if a.Conn != nil {
				defer a.Conn.Close()
			}
			if a.Outcome != agents.Connected {
				t.Fatalf("client %d: %s", i, a.Outcome)
			}
			if _, err := a.Conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Fatalf("client %d: %v, want an end of file", i, err)
			}
		}
	}
}
