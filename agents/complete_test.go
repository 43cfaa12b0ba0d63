package agents_test

import (
	"testing"

	"testbed/agents"
	"testbed/topo"
)

func TestComplete(t *testing.T) {
	for _, c := range []struct {
		serve        topo.Serve
		sent, answer string
		want         bool
	}{
		{topo.ServeEcho, "hello", "hell", false},
		{topo.ServeEcho, "hello", "hello", true},
		{topo.ServeEcho, "", "", true},
		{topo.ServeBanner, "", "220 read", false},
		{topo.ServeBanner, "", "220 ready\r\n", true},
		{topo.ServeBanner, "hi", "220 ready\r\nh", false},
		{topo.ServeBanner, "hi", "220 ready\r\nhi", true},
		{topo.ServeHTTP, "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh", false},
		{topo.ServeHTTP, "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", true},
		{topo.ServeHTTP, "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 2", false},
		{"", "x", "", false},
		{"", "x", "y", true},
	} {
		if got := agents.Complete(c.serve, c.sent, []byte(c.answer)); got != c.want {
			t.Errorf("%s: %q after %q is complete: %t, want %t", c.serve, c.answer, c.sent, got, c.want)
		}
	}
}
