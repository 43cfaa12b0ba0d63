package conformance

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// Stream is how much Exchange transfers in each direction.
const Stream = 4 << 20

// Exchange opens a TCP connection from node 0 to node 1, sends size bytes of noise
// both ways at once, and checks what arrives.
func (n *Network) Exchange(tb testing.TB, size int) {
	tb.Helper()
	conns, err := n.Connect()
	if err != nil {
		tb.Fatal(err)
	}
	var wg sync.WaitGroup
	for i, c := range conns {
		defer c.Close()
		c.SetDeadline(time.Now().Add(2 * Patience))
		noise := make([]byte, size)
		r := rand.NewChaCha8([32]byte{byte(i)})
		r.Read(noise)
		want := sha256.Sum256(noise)
		wg.Go(func() {
			if _, err := c.Write(noise); err != nil {
				tb.Errorf("node %d sends: %v", i, err)
			}
			c.CloseWrite()
		})
		wg.Go(func() {
			h := sha256.New()
			got, err := io.Copy(h, conns[1-i])
			if err != nil || got != int64(size) || !bytes.Equal(h.Sum(nil), want[:]) {
				tb.Errorf("node %d received %d bytes (%v), not the %d that were sent", 1-i, got, err, size)
			}
		})
	}
	wg.Wait()
}

// Connect returns both ends of a TCP connection, node 0 the client.
func (n *Network) Connect() (conns [2]*net.TCPConn, err error) {
	var l *net.TCPListener
	err = n.Nodes[1].Do(func() (err error) {
		l, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(n.Addresses[1], 0)))
		return err
	})
	if err != nil {
		return conns, fmt.Errorf("listen: %w", err)
	}
	defer l.Close()
	err = n.Nodes[0].Do(func() (err error) {
		conns[0], err = net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr))
		return err
	})
	if err != nil {
		return conns, fmt.Errorf("connect: %w", err)
	}
	conns[1], err = l.AcceptTCP()
	return conns, err
}
