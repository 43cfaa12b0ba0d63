// Package server starts the servers that a topology's listeners name.
package server

import (
	"crypto/tls"
	"fmt"
	"net/netip"

	"testbed/agents/http"
	"testbed/agents/tcp"
	agenttls "testbed/agents/tls"
	"testbed/topo"
	"testbed/topo/netns"
)

// defaultBacklog is Linux's net.core.somaxconn since 5.4; noAcceptBacklog lets
// two connections in before the queue is full.
const (
	defaultBacklog  = 4096
	noAcceptBacklog = 1
)

// Node is where servers run: its namespace, and what a certificate is for.
type Node struct {
	NS   *netns.NS
	Name string
	// Aliases are other names that clients reach it by.
	Aliases []string
	// Addresses are those that clients reach it by.
	Addresses []netip.Addr
	Authority *agenttls.Authority
}

// Start starts one server. The caller closes it.
func Start(n Node, l topo.Listener) (*tcp.Listener, error) {
	h, err := handler(n, l)
	if err != nil {
		return nil, fmt.Errorf("serve %s on port %d: %w", l.Serve, l.Port, err)
	}
	backlog := l.Backlog
	switch {
	case backlog > 0:
	case l.Serve == topo.ServeNoAccept:
		backlog = noAcceptBacklog
	default:
		backlog = defaultBacklog
	}
	return tcp.Listen(n.NS, l.Port, backlog, h)
}

// handler is what a kind of server does with a connection; nil for one that
// never accepts.
func handler(n Node, l topo.Listener) (tcp.Handler, error) {
	switch l.Serve {
	case topo.ServeEcho:
		return tcp.Echo, nil
	case topo.ServeHTTP:
		return http.Serve(nil), nil
	case topo.ServeHTTPS, topo.ServeTLS:
		config, err := tlsConfig(n, l)
		if err != nil {
			return nil, err
		}
		if l.Serve == topo.ServeTLS {
			return agenttls.Echo(config), nil
		}
		return http.Serve(config), nil
	case topo.ServeBanner:
		return tcp.Banner(l.Banner), nil
	case topo.ServeSilent:
		return tcp.Silent, nil
	case topo.ServeHold:
		return tcp.Hold, nil
	case topo.ServeReset:
		return tcp.After(l.After, tcp.Reset), nil
	case topo.ServeClose:
		return tcp.After(l.After, tcp.Close), nil
	case topo.ServeNoRead:
		return tcp.Unread(l.After), nil
	case topo.ServeCollect:
		return tcp.Collect, nil
	case topo.ServeSource:
		return tcp.Source, nil
	case topo.ServeNoAccept:
		return nil, nil
	}
	return nil, fmt.Errorf("no such kind of server")
}

func tlsConfig(n Node, l topo.Listener) (*tls.Config, error) {
	cert, err := n.Authority.Issue(append([]string{n.Name}, n.Aliases...), n.Addresses)
	if err != nil {
		return nil, err
	}
	config, err := agenttls.ServerConfig(cert, l.TLS, l.Tickets)
	if err != nil {
		return nil, err
	}
	n.Authority.Warm(config, n.Name)
	return config, nil
}
