// Package http answers and performs HTTP/1.1 requests, with and without TLS.
package http

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
)

// Serve answers every request on a connection with 200 and a line of text, over
// TLS if config is not nil, until the client is done. It gives up a request whose
// header is longer than 1 MiB.
func Serve(config *tls.Config) func(*net.TCPConn) {
	return func(tcp *net.TCPConn) {
		var c net.Conn = tcp
		if config != nil {
			c = tls.Server(tcp, config)
		}
		defer c.Close()
		for in := newReader(c); ; in.header() {
			req, err := http.ReadRequest(in.Reader)
			if err != nil {
				return
			}
			in.body()
			if !answer(c, req) {
				return
			}
		}
	}
}

// answer responds to one request and tells whether the connection goes on.
func answer(c net.Conn, req *http.Request) bool {
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return false
	}
	body := fmt.Sprintf("%s %s: hello from testbed\n", req.Method, req.URL.Path)
	connection := ""
	if req.Close {
		connection = "Connection: close\r\n"
	}
	length := len(body)
	if req.Method == http.MethodHead {
		body = ""
	}
	_, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n%s\r\n%s", length, connection, body)
	return err == nil && !req.Close
}
