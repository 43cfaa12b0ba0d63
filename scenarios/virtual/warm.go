package virtual

import (
	"context"
	"net/netip"

	"testbed/agents/tls"
	"testbed/scenarios/run"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo/sandbox"
)

// warm does once what the first scenario would have to do in its own time: it
// decodes a file, builds its network and takes it down, and performs TLS
// handshakes in memory. No connection is opened, so that the secrets of the
// kernel's TCP are still to be drawn.
func warm() error {
	const scenario = `name: warm
nodes: {client: {}, fw: {role: router, firewall: [{match: {proto: tcp, dport: 9}, action: drop}]}, server: {}}
links: [{between: [client, fw], delay: 1ms}, {between: [fw, server], delay: 1ms}]
steps: [{wait: 1ms}]
`
	s, err := spec.Decode("warm", []byte(scenario))
	if err != nil {
		return err
	}
	sandbox.OwnMachine()
	if r := run.Scenario(context.Background(), s, run.Options{Clock: verdict.Virtual}); r.Err != nil {
		return r.Err
	}
	return warmTLS()
}

func warmTLS() error {
	a, err := tls.NewAuthority()
	if err != nil {
		return err
	}
	cert, err := a.Issue([]string{"warm"}, []netip.Addr{netip.MustParseAddr("192.0.2.1")})
	if err != nil {
		return err
	}
	for _, version := range []string{"1.2", "1.3"} {
		config, err := tls.ServerConfig(cert, version, false)
		if err != nil {
			return err
		}
		for range 3 {
			a.Warm(config, "warm")
		}
	}
	return nil
}
