package conformance

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"testbed/netem"
)

// Patience is how long a test waits for what must happen.
const Patience = 20 * time.Second

// Until waits for done, and fails with what it was waiting for.
func Until(tb testing.TB, what string, done func() bool) {
	tb.Helper()
	until(tb, done, func() string { return what })
}

func until(tb testing.TB, done func() bool, what func() string) {
	tb.Helper()
	began := time.Now()
	for !done() {
		waited := time.Since(began)
		if waited > Patience {
			tb.Fatalf("waited %v in vain for %s", Patience, what())
		}
		// The longer it takes, the less a moment more matters.
		time.Sleep(min(5*time.Millisecond, 200*time.Microsecond+waited/16))
	}
}

// Arrival is a numbered datagram that arrived.
type Arrival struct {
	Number int
	// At is when the receiver's kernel took it in, on CLOCK_REALTIME. Took is the
	// time until then from before the sender's system call.
	At   time.Time
	Took time.Duration
	// Damaged is true if it is not what was sent.
	Damaged bool
}

// Datagrams sends numbered UDP datagrams from one node to the other.
type Datagrams struct {
	from, to *net.UDPConn
	mu       sync.Mutex
	arrived  []Arrival
	sent     int
}

// NewDatagrams opens the sockets at the node from and at the other one.
func (n *Network) NewDatagrams(tb testing.TB, from int) *Datagrams {
	tb.Helper()
	d := &Datagrams{}
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
	setOption(tb, d.to, unix.SO_TIMESTAMPNS_NEW)
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

// setOption switches a socket option on.
func setOption(tb testing.TB, c *net.UDPConn, option int) {
	tb.Helper()
	raw, err := c.SyscallConn()
	if err == nil {
		controlErr := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, option, 1) })
		if controlErr != nil {
			err = controlErr
		}
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// header is the number and the sender's time.
const header = 16

// pattern is what datagram number carries at place i, behind the header.
func pattern(number, i int) byte { return byte(number*31 + i*7) }

func (d *Datagrams) receive() {
	b, control := make([]byte, 64<<10), make([]byte, 128)
	for {
		n, nc, _, _, err := d.to.ReadMsgUDPAddrPort(b, control)
		if err != nil {
			return
		}
		if n < header {
			continue
		}
		d.note(b[:n], stamp(control[:nc]))
	}
}

// note takes down a datagram.
func (d *Datagrams) note(b []byte, at time.Time) {
	sent := time.Unix(0, int64(binary.BigEndian.Uint64(b[8:])))
	a := Arrival{Number: int(binary.BigEndian.Uint64(b)), At: at, Took: at.Sub(sent)}
	for i, x := range b[header:] {
		a.Damaged = a.Damaged || x != pattern(a.Number, i)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.arrived = append(d.arrived, a)
}

// stamp is the kernel's receive stamp, or now if it gave none.
func stamp(control []byte) time.Time {
	for len(control) > 0 {
		h, data, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			break
		}
		if h.Level == unix.SOL_SOCKET && h.Type == unix.SO_TIMESTAMPNS_NEW && len(data) >= 16 {
			ne := binary.NativeEndian
			return time.Unix(int64(ne.Uint64(data)), int64(ne.Uint64(data[8:])))
		}
		control = rest
	}
	return time.Now().Round(0)
}

// Send sends the next datagram, with that many bytes of payload, at least 16. It
// returns when that was.
func (d *Datagrams) Send(tb testing.TB, size int) time.Time {
	tb.Helper()
	b := make([]byte, size)
	for i := range b[header:] {
		b[header+i] = pattern(d.sent, i)
	}
	now := time.Now().Round(0)
	binary.BigEndian.PutUint64(b, uint64(d.sent))
	binary.BigEndian.PutUint64(b[8:], uint64(now.UnixNano()))
	if _, err := d.from.Write(b); err != nil {
		tb.Fatal(err)
	}
	d.sent++
	return now
}

// Arrived is what has arrived so far, in order of arrival.
func (d *Datagrams) Arrived() []Arrival {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Arrival(nil), d.arrived...)
}

// count is how many have arrived so far.
func (d *Datagrams) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.arrived)
}

// Settled waits until the segment has seen everything that was sent, has nothing
// on its way to the side, and all that it delivered has arrived.
func (d *Datagrams) Settled(tb testing.TB, s netem.Segment, to netem.Side) []Arrival {
	tb.Helper()
	until(tb, func() bool {
		c := s.Counters(to)
		return c.In == uint64(d.sent) && atRest(c) && d.count() == int(c.Delivered)
	}, func() string {
		return fmt.Sprintf("the datagrams to have crossed: %d were sent, %d arrived, and the counters are %+v", d.sent, d.count(), s.Counters(to))
	})
	return d.Arrived()
}

// atRest tells whether nothing is on its way.
func atRest(c netem.Counters) bool { return c.In+c.Duplicated == c.Delivered+c.Dropped }
