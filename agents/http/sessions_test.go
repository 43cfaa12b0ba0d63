package http_test

import (
	"testing"
	"time"

	agenttls "testbed/agents/tls"
	"testbed/topo"
)

// A session is resumed where the server issues tickets, the client has one, and it is
// to be offered.
func TestResumedSessions(t *testing.T) {
	for _, c := range []struct {
		name, version  string
		tickets, offer bool
		want           bool
	}{
		{"TLS 1.2", "1.2", true, true, true},
		{"TLS 1.3", "1.3", true, true, true},
		{"no ticket", "1.3", false, true, false},
		{"not offered", "1.3", true, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			ns, authority := start(t, topo.Listener{Port: 443, Serve: topo.ServeHTTPS, Tickets: c.tickets})
			sessions := agenttls.NewSessions()
			for i, want := range []bool{false, c.want} {
				config := authority.ClientConfig("server")
				agenttls.Speak(config, c.version)
				sessions.Use(config, c.offer)
				res := get(t, ns, "https://server/", config, 10*time.Second)
				if res.TLS == nil || res.Status != 200 {
					t.Fatalf("request %d: status %d, %s", i+1, res.Status, res.Detail)
				}
				if got := agenttls.Version(res.TLS.Version); got != c.version || res.TLS.DidResume != want {
					t.Errorf("request %d: TLS %s, resumed %t; expected TLS %s, %t", i+1, got, res.TLS.DidResume, c.version, want)
				}
			}
		})
	}
}
