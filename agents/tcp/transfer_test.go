package tcp_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"testbed/agents"
	"testbed/agents/tcp"
	"testbed/topo/netns/netnstest"
)

const many = 3 << 20

func TestSendAndReceive(t *testing.T) {
	for _, c := range []struct {
		name     string
		handler  tcp.Handler
		transfer func(context.Context, *net.TCPConn, int64, time.Duration) (*tcp.Transferred, error)
		timeout  time.Duration
		outcome  agents.Outcome
		least    int64
		most     int64
	}{
		{"sent", tcp.Silent, tcp.Send, 10 * time.Second, agents.Transferred, many, many},
		{"received", tcp.Source, tcp.Receive, 10 * time.Second, agents.Transferred, many, many},
		{"not read", tcp.Unread(0), tcp.Send, 300 * time.Millisecond, agents.TimedOut, 1, many - 1},
		{"not sent", tcp.Silent, tcp.Receive, later, agents.TimedOut, 0, 0},
		{"reset while it is sent", tcp.Unread(later), tcp.Send, 10 * time.Second, agents.Reset, 1, many - 1},
		{"closed instead of sent", tcp.Close, tcp.Receive, 10 * time.Second, agents.Closed, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			ns := netnstest.Loopback(t)
			listen(t, ns, 16, c.handler)
			a := connect(t, ns, "127.0.0.1:80", 0)
			got, err := c.transfer(t.Context(), a.Conn, many, c.timeout)
			if err != nil {
				t.Fatal(err)
			}
			if got.Outcome != c.outcome || got.Bytes < c.least || got.Bytes > c.most {
				t.Errorf("%s (errno %v), %d bytes; expected %s, %d to %d", got.Outcome, got.Errno, got.Bytes, c.outcome, c.least, c.most)
			}
			if got.Deadline != (c.outcome == agents.TimedOut) || got.Deadline && got.Elapsed < c.timeout {
				t.Errorf("deadline %t after %v", got.Deadline, got.Elapsed)
			}
		})
	}
}

// All of it is written, and waits for a window that never opens.
func TestSendLearnsOfAResetWhileItWaits(t *testing.T) {
	ns := netnstest.Loopback(t)
	listen(t, ns, 16, tcp.Unread(later))
	a := connect(t, ns, "127.0.0.1:80", 0)
	if err := a.Conn.SetWriteBuffer(1 << 20); err != nil {
		t.Fatal(err)
	}
	got, err := tcp.Send(t.Context(), a.Conn, 256<<10, 10*time.Second)
	if err != nil || got.Outcome != agents.Reset || got.Bytes == 0 || got.Bytes >= 256<<10 {
		t.Errorf("%+v, %v; expected a reset with some of it acknowledged", got, err)
	}
}

func TestTransferIsCancelled(t *testing.T) {
	for name, transfer := range map[string]func(context.Context, *net.TCPConn, int64, time.Duration) (*tcp.Transferred, error){
		"send": tcp.Send, "receive": tcp.Receive,
	} {
		ns := netnstest.Loopback(t)
		listen(t, ns, 16, tcp.Unread(0))
		a := connect(t, ns, "127.0.0.1:80", 0)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(later, cancel)
		if _, err := transfer(ctx, a.Conn, 64<<20, time.Hour); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, expected cancelled", name, err)
		}
	}
}

// Source closes at what is no number, or too great a one.
func TestSourceWantsNumbers(t *testing.T) {
	for _, line := range []string{"many\n", "-1\n", "1073741825\n"} {
		ns := netnstest.Loopback(t)
		listen(t, ns, 16, tcp.Source)
		a := connect(t, ns, "127.0.0.1:80", 0)
		if x := tcp.Exchange(a.Conn, []byte(line), func(b []byte) bool { return len(b) > 0 }, 10*time.Second); x.Outcome != agents.Closed {
			t.Errorf("%q: %s, %q; expected closed", line, x.Outcome, x.Answer)
		}
	}
}
