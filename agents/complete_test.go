package agents_test

import (
	"testing"

	"testbed/agents"
	"testbed/topo"
)

func TestComplete(t *testing.T) {
	for _, c := range []struct {
		serve  topo.Serve
		answer string
		want   bool
	}{
		{topo.ServeHTTP, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh", false},
		{topo.ServeHTTP, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", true},
		{topo.ServeHTTP, "HTTP/1.1 2", false},
		{topo.ServeSilent, "", false},
		{"", "y", true},
	} {
		if got := agents.Complete(c.serve, []byte(c.answer)); got != c.want {
			t.Errorf("%s: %q is complete: %t, want %t", c.serve, c.answer, got, c.want)
		}
	}
}
