package tls

import (
	"crypto/tls"
	"io"
	"net"
)

// Echo serves a TLS echo on one connection until the client is done.
func Echo(config *tls.Config) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		s := tls.Server(c, config)
		defer s.Close()
		io.Copy(s, s)
	}
}
