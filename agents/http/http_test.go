package http_test

import (
	"context"
	"crypto/tls"
	"net/netip"
	"testing"
	"time"

	"testbed/agents"
	"testbed/agents/http"
	"testbed/agents/server"
	agenttls "testbed/agents/tls"
	"testbed/topo"
	"testbed/topo/netns"
	"testbed/topo/netns/netnstest"
	"testbed/topo/sandbox"
)

func TestMain(m *testing.M) { sandbox.TestMain(m) }

// start is a namespace with one server on its loopback address.
func start(t *testing.T, l topo.Listener) (*netns.NS, *agenttls.Authority) {
	t.Helper()
	ns := netnstest.Loopback(t)
	authority, err := agenttls.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.Start(server.Node{NS: ns, Name: "server", Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Authority: authority}, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return ns, authority
}

func get(t *testing.T, ns *netns.NS, url string, config *tls.Config, timeout time.Duration) *http.Response {
	t.Helper()
	res, err := http.Get(context.Background(), http.Request{
		NS: ns, To: netip.MustParseAddrPort("127.0.0.1:443"), URL: url, TLS: config, Timeout: timeout,
	})
	if err != nil {
		t.Fatal(err)
	}
	if res.Attempt.Conn != nil {
		t.Cleanup(func() { res.Attempt.Conn.Close() })
	}
	return res
}

func TestGetTimesEachPart(t *testing.T) {
	for _, version := range []string{"", "1.2", "1.3"} {
		ns, authority := start(t, topo.Listener{Port: 443, Serve: topo.ServeHTTPS, TLS: version})
		config := authority.ClientConfig("server")
		res := get(t, ns, "https://server/x", config, 10*time.Second)
		if res.Outcome != agents.Connected || res.Status != 200 || res.TLSTime == nil || res.FirstByteTime == nil {
			t.Fatalf("TLS %q: %s, status %d: %s", version, res.Outcome, res.Status, res.Detail)
		}
		if res.Attempt.Elapsed > *res.TLSTime || *res.TLSTime > *res.FirstByteTime || *res.FirstByteTime > res.Elapsed {
			t.Errorf("TLS %q: times are out of order: %v, %v, %v, %v", version, res.Attempt.Elapsed, *res.TLSTime, *res.FirstByteTime, res.Elapsed)
		}
	}
}

func TestGetWithoutTLS(t *testing.T) {
	ns, _ := start(t, topo.Listener{Port: 443, Serve: topo.ServeHTTP})
	if res := get(t, ns, "http://server/", nil, 10*time.Second); res.Status != 200 || res.TLSTime != nil {
		t.Errorf("status %d (%s), TLS time %v", res.Status, res.Detail, res.TLSTime)
	}
}

func TestGetFails(t *testing.T) {
	old := &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10, InsecureSkipVerify: true}
	for _, c := range []struct {
		name    string
		listen  topo.Listener
		config  func(*agenttls.Authority) *tls.Config
		timeout time.Duration
		want    agents.Outcome
	}{
		{"nothing listens", topo.Listener{Port: 80, Serve: topo.ServeHTTP}, nil, 10 * time.Second, agents.Refused},
		{"no answer", topo.Listener{Port: 443, Serve: topo.ServeSilent}, nil, 20 * time.Millisecond, agents.TimedOut},
		{"closed", topo.Listener{Port: 443, Serve: topo.ServeClose}, nil, 10 * time.Second, agents.Closed},
		{"reset", topo.Listener{Port: 443, Serve: topo.ServeReset}, nil, 10 * time.Second, agents.Reset},
		{"another name", topo.Listener{Port: 443, Serve: topo.ServeHTTPS}, func(a *agenttls.Authority) *tls.Config { return a.ClientConfig("other") }, 10 * time.Second, agents.Failed},
		{"an old TLS version", topo.Listener{Port: 443, Serve: topo.ServeHTTPS}, func(*agenttls.Authority) *tls.Config { return old }, 10 * time.Second, agents.Failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			ns, authority := start(t, c.listen)
			var config *tls.Config
			url := "http://server/"
			if c.config != nil {
				config, url = c.config(authority), "https://server/"
			}
			res := get(t, ns, url, config, c.timeout)
			if res.Outcome != c.want || res.Status != 0 {
				t.Errorf("%s (%s), status %d; want %s", res.Outcome, res.Detail, res.Status, c.want)
			}
		})
	}
}
