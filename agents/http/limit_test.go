package http_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"testbed/agents"
	"testbed/agents/tcp"
	"testbed/topo"
	"testbed/topo/netns"
)

// pour writes a text again and again, n bytes in all or until the other end has
// had enough.
func pour(w io.Writer, text string, n int) error {
	block := strings.Repeat(text, 1<<16/len(text))
	for ; n > 0; n -= len(block) {
		if _, err := io.WriteString(w, block); err != nil {
			return err
		}
	}
	return nil
}

// answers serves one raw answer to every connection on port 443.
func answers(t *testing.T, ns *netns.NS, answer func(c *net.TCPConn)) {
	t.Helper()
	l, err := tcp.Listen(ns, 443, 16, func(c *net.TCPConn) { answer(c); io.Copy(io.Discard, c) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
}

func TestAnAnswerIsBounded(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, c := range []struct {
		name    string
		answer  func(c *net.TCPConn)
		want    agents.Outcome
		status  int
		details string
	}{
		{"a header line of 4 MiB", func(c *net.TCPConn) {
			io.WriteString(c, ok+"X: ")
			pour(c, "x", 4<<20)
			io.WriteString(c, "\r\nContent-Length: 0\r\n\r\n")
		}, agents.Failed, 0, "header is longer than 1 MiB"},
		{"4 MiB of header lines", func(c *net.TCPConn) {
			io.WriteString(c, ok)
			pour(c, "X: a header line\r\n", 4<<20)
			io.WriteString(c, "Content-Length: 0\r\n\r\n")
		}, agents.Failed, 0, "header is longer than 1 MiB"},
		{"a body of 17 MiB", func(c *net.TCPConn) {
			fmt.Fprintf(c, "%sContent-Length: %d\r\n\r\n", ok, 17<<20)
			pour(c, "x", 17<<20)
		}, agents.Connected, 200, "body is longer than 16 MiB"},
		{"a body of 16 MiB", func(c *net.TCPConn) {
			fmt.Fprintf(c, "%sContent-Length: %d\r\n\r\n", ok, 16<<20)
			pour(c, "x", 16<<20)
		}, agents.Connected, 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			ns, _ := start(t, topo.Listener{Port: 80, Serve: topo.ServeHTTP})
			answers(t, ns, c.answer)
			res := get(t, ns, "http://server/", nil, 30*time.Second)
			if res.Outcome != c.want || res.Status != c.status || !strings.Contains(res.Detail, c.details) || c.details == "" && res.Detail != "" {
				t.Errorf("%s, status %d, detail %q; want %s, %d, %q", res.Outcome, res.Status, res.Detail, c.want, c.status, c.details)
			}
		})
	}
}

// A request whose header never ends is given up. One with a long body is
// answered, and so is the next one on its connection.
func TestARequestIsBounded(t *testing.T) {
	const end = "Connection: close\r\n\r\n"
	long := fmt.Sprintf("POST /long HTTP/1.1\r\nHost: server\r\nContent-Length: %d\r\n\r\n", 2<<20)
	header := strings.Repeat("X: a header line\r\n", 48<<10) // 864 KiB
	for _, c := range []struct {
		name string
		send func(w io.Writer)
		want int
	}{
		{"a header line of 4 MiB", func(w io.Writer) {
			io.WriteString(w, "GET / HTTP/1.1\r\nHost: server\r\nX: ")
			pour(w, "x", 4<<20)
			io.WriteString(w, "\r\n"+end)
		}, 0},
		{"long bodies and headers", func(w io.Writer) {
			for range 2 {
				io.WriteString(w, long)
				pour(w, "x", 2<<20)
			}
			for range 2 {
				io.WriteString(w, "GET / HTTP/1.1\r\nHost: server\r\n"+header+"\r\n")
			}
			io.WriteString(w, "GET / HTTP/1.1\r\nHost: server\r\n"+end)
		}, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			ns, _ := start(t, topo.Listener{Port: 443, Serve: topo.ServeHTTP})
			a, err := tcp.Connect(t.Context(), ns, netip.MustParseAddrPort("127.0.0.1:443"), tcp.Options{Timeout: 10 * time.Second})
			if err != nil || a.Conn == nil {
				t.Fatal(err, a.Outcome)
			}
			defer a.Conn.Close()
			a.Conn.SetDeadline(time.Now().Add(30 * time.Second))
			go c.send(a.Conn)
			got, err := io.ReadAll(a.Conn)
			if n := strings.Count(string(got), "200 OK"); n != c.want || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%d answers (%v), want %d", n, err, c.want)
			}
		})
	}
}
