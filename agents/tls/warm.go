package tls

import (
	"crypto/tls"
	"net"
)

// Warm performs one handshake in memory, so that the first one over a link does
// not pay for what the process sets up once. An error is of no consequence and
// none is returned.
func (a *Authority) Warm(server *tls.Config, name string) {
	near, far := net.Pipe()
	defer near.Close()
	go func() {
		defer far.Close()
		tls.Server(far, server).Handshake()
	}()
	tls.Client(near, a.ClientConfig(name)).Handshake()
}
