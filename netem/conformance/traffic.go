package conformance

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"testbed/netem"
)

// Patience is how long a test waits for what must happen.
const Patience = 20 * time.Second

// Until waits for done, and fails with what it was waiting for.
func Until(tb testing.TB, what string, done func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(Patience); !done(); time.Sleep(200 * time.Microsecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("waited %v in vain for %s", Patience, what)
		}
	}
}

// Arrival is a numbered datagram that arrived.
type Arrival struct {
	Number int
	// Took is the time from before the sender's system call to after the
	// receiver's.
	Took time.Duration
}

// Datagrams sends numbered UDP datagrams from one node to the other.
type Datagrams struct {
	from, to *net.UDPConn
	mu       sync.Mutex
	arrived  []Arrival
	began    time.Time
	sent     int
}

// NewDatagrams opens the sockets at the node from and at the other one.
func (n *Network) NewDatagrams(tb testing.TB, from int) *Datagrams {
	tb.Helper()
	d := &Datagrams{began: time.Now()}
	listen := func(i int) (c *net.UDPConn) {
		err := n.Nodes[i].Do(func() (err error) {
			c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(n.Addresses[i], 0)))
			return err
		})
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { c.Close() })
		return c
	}
	d.to = listen(1 - from)
	// Room for some hundred small datagrams at once; the kernel clips it.
	if err := d.to.SetReadBuffer(1 << 20); err != nil {
		tb.Fatal(err)
	}
	target := d.to.LocalAddr().(*net.UDPAddr)
	err := n.Nodes[from].Do(func() (err error) {
		d.from, err = net.DialUDP("udp", nil, target)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { d.from.Close() })
	go d.receive()
	return d
}

// header is the number and the sender's time.
const header = 16

func (d *Datagrams) receive() {
	b := make([]byte, 64<<10)
	for {
		n, err := d.to.Read(b)
		if err != nil {
			return
		}
		now := time.Since(d.began)
		if n < header {
			continue
		}
		a := Arrival{
			Number: int(binary.BigEndian.Uint64(b)),
			Took:   now - time.Duration(binary.BigEndian.Uint64(b[8:])),
		}
		d.mu.Lock()
		d.arrived = append(d.arrived, a)
		d.mu.Unlock()
	}
}

// Send sends the next datagram, with that many bytes of payload, at least 16.
func (d *Datagrams) Send(tb testing.TB, size int) {
	tb.Helper()
	b := make([]byte, size)
	binary.BigEndian.PutUint64(b, uint64(d.sent))
	binary.BigEndian.PutUint64(b[8:], uint64(time.Since(d.began)))
	if _, err := d.from.Write(b); err != nil {
		tb.Fatal(err)
	}
	d.sent++
}

// Arrived is what has arrived so far, in order of arrival.
func (d *Datagrams) Arrived() []Arrival {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Arrival(nil), d.arrived...)
}

// Settled waits until the segment has seen everything that was sent, has nothing
// on its way to the side, and all that it delivered has arrived.
func (d *Datagrams) Settled(tb testing.TB, s netem.Segment, to netem.Side) []Arrival {
	tb.Helper()
	Until(tb, "the datagrams to have crossed", func() bool {
		c := s.Counters(to)
		return c.In == uint64(d.sent) && c.In+c.Duplicated == c.Delivered+c.Dropped && len(d.Arrived()) == int(c.Delivered)
	})
	return d.Arrived()
}

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
