package capture_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"testbed/netem"
	"testbed/observe"
	"testbed/observe/capture"
	"testbed/topo/netns"
	"testbed/topo/sandbox"
)

func TestMain(m *testing.M) { sandbox.TestMain(m) }

// pair is a veth pair whose inner end is in an ether, with packet sockets that
// send frames into both ends.
type pair struct {
	ether *netns.NS
	index int
	// node sends from the node's end, relay from the ether's.
	node, relay int
}

func makePair(t testing.TB) *pair {
	t.Helper()
	p := &pair{ether: makeNS(t)}
	outer := makeNS(t)
	check(t, p.ether.Do(func() error {
		v := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "l0a"}, PeerName: "eth0", PeerNamespace: netlink.NsFd(outer.FD())}
		return netlink.LinkAdd(v)
	}))
	check(t, outer.Do(func() (err error) { _, p.node, err = sender("eth0"); return err }))
	check(t, p.ether.Do(func() (err error) { p.index, p.relay, err = sender("l0a"); return err }))
	check(t, outer.Do(func() error { return ready("eth0") }))
	check(t, p.ether.Do(func() error { return ready("l0a") }))
	t.Cleanup(func() { unix.Close(p.node); unix.Close(p.relay) })
	return p
}

func makeNS(t testing.TB) *netns.NS {
	t.Helper()
	ns, err := netns.New()
	check(t, err)
	t.Cleanup(func() { ns.Close() })
	return ns
}

// addrGenNone is IN6_ADDR_GEN_MODE_NONE of linux/if_link.h.
const addrGenNone = 1

// sender sets an interface up, quiet (no IPv6 of its own), and opens a packet
// socket that sends to it.
func sender(name string) (index, fd int, err error) {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return 0, 0, err
	}
	if err := netlink.LinkSetIP6AddrGenMode(l, addrGenNone); err != nil {
		return 0, 0, err
	}
	if err := netlink.LinkSetUp(l); err != nil {
		return 0, 0, err
	}
	fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, 0, err
	}
	index = l.Attrs().Index
	return index, fd, unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: index})
}

// ready waits until an interface sends. Before its carrier is noticed, which a
// kernel thread does, it has the qdisc noop, which swallows frames.
func ready(name string) error {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		l, err := netlink.LinkByName(name)
		if err != nil || l.Attrs().OperState == netlink.OperUp {
			return err
		}
	}
	return fmt.Errorf("interface %s has no carrier", name)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func start(t testing.TB, p *pair, o capture.Options) *capture.Capture {
	t.Helper()
	c, err := capture.Open(p.ether, o)
	check(t, err)
	t.Cleanup(func() { c.Close() })
	check(t, c.Start(map[int]capture.End{p.index: {Link: 7, Side: 1}}))
	return c
}

// frame is a broadcast Ethernet frame of an experimental type with a number in
// it.
func frame(number, length int) []byte {
	b := make([]byte, length)
	copy(b, net.HardwareAddr{255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1})
	binary.BigEndian.PutUint16(b[12:], 0x88b5)
	binary.BigEndian.PutUint32(b[14:], uint32(number))
	return b
}

func number(f observe.Frame) int { return int(binary.BigEndian.Uint32(f.Data[14:])) }

func send(t testing.TB, fd int, b []byte) {
	t.Helper()
	if _, err := unix.Write(fd, b); err != nil {
		t.Fatal(err)
	}
}

// A frame is there as soon as the call that sent it has returned, with its
// direction, its length and the first bytes of it.
func TestSinceHoldsBothDirectionsAtOnce(t *testing.T) {
	p := makePair(t)
	c := start(t, p, capture.Options{SnapLen: 100})
	for i := range 300 {
		mark := c.Mark()
		before := time.Now()
		send(t, p.node, frame(2*i, 60))
		send(t, p.relay, frame(2*i+1, 1000))
		fs := c.Since(mark)
		after := time.Now()
		if len(fs) != 2 {
			t.Fatalf("round %d: %d frames, want 2", i, len(fs))
		}
		for j, want := range []observe.Frame{{Sent: true, Length: 60, Data: frame(2*i, 60)}, {Sent: false, Length: 1000, Data: frame(2*i+1, 1000)[:100]}} {
			f := fs[j]
			if f.Link != 7 || f.Side != netem.Side(1) || f.Sent != want.Sent || f.Length != want.Length || !bytes.Equal(f.Data, want.Data) {
				t.Fatalf("round %d: frame %+v, want %+v", i, f, want)
			}
			if f.Time.Before(before.Round(0)) || f.Time.After(after.Round(0)) {
				t.Fatalf("round %d: stamp %v is not between %v and %v", i, f.Time, before, after)
			}
			if f.Time.Nanosecond()%1000 == 0 && fs[1-j].Time.Nanosecond()%1000 == 0 {
				t.Fatalf("round %d: stamps %v and %v have no nanoseconds", i, f.Time, fs[1-j].Time)
			}
		}
	}
	if n := c.Lost(); n != 0 {
		t.Errorf("%d frames lost", n)
	}
}

func TestWaitReturnsTheFrameThatMeetsTheCondition(t *testing.T) {
	p := makePair(t)
	c := start(t, p, capture.Options{})
	send(t, p.node, frame(1, 60))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	is := func(n int) func(observe.Frame) bool { return func(f observe.Frame) bool { return number(f) == n } }
	f, err := c.Wait(ctx, 0, is(1))
	if err != nil || number(f) != 1 {
		t.Fatalf("a frame of the past: %v, %v", f, err)
	}
	found := make(chan error)
	go func() {
		_, err := c.Wait(ctx, c.Mark(), is(3))
		found <- err
	}()
	for err := error(nil); ; { // until the waiter, which may not have begun, has seen one
		send(t, p.node, frame(2, 60))
		send(t, p.relay, frame(3, 60))
		select {
		case err = <-found:
			check(t, err)
		case <-time.After(time.Millisecond):
			continue
		}
		break
	}
}

func TestWaitEndsWithItsContextAndWithTheCapture(t *testing.T) {
	c := start(t, makePair(t), capture.Options{})
	never := func(observe.Frame) bool { return false }
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Wait(ctx, 0, never); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	ended := make(chan error)
	go func() { _, err := c.Wait(context.Background(), 0, never); ended <- err }()
	check(t, c.Close())
	if err := <-ended; !errors.Is(err, capture.ErrClosed) {
		t.Errorf("error %v, want ErrClosed", err)
	}
}

// The latest frames are kept, and how many were forgotten is known.
func TestFramesOverTheBoundAreForgotten(t *testing.T) {
	p := makePair(t)
	c := start(t, p, capture.Options{MaxFrames: 10})
	for i := range 25 {
		send(t, p.node, frame(i, 60))
	}
	fs := c.Since(0)
	if n := len(fs); n < 7 || n > 10 || number(fs[n-1]) != 24 || number(fs[0]) != 25-n {
		t.Errorf("%d frames, want the last 7 to 10", n)
	}
	if n := c.Forgotten(0); n != uint64(25-len(fs)) || c.Lost() != 0 {
		t.Errorf("%d forgotten and %d lost, want %d and 0", n, c.Lost(), 25-len(fs))
	}
	if n := c.Forgotten(c.Mark()); n != 0 {
		t.Errorf("%d forgotten of what is to come", n)
	}
}

// Nothing is lost without being counted, also where the ring overflows, and the
// ring's order survives its wrapping round.
func TestARingThatOverflowsSaysSo(t *testing.T) {
	p := makePair(t)
	const sent = 5000
	c := start(t, p, capture.Options{RingBytes: 1})
	for i := range sent {
		send(t, p.node, frame(i, 60))
	}
	fs := c.Since(0)
	if got := len(fs) + int(c.Lost()); got != sent {
		t.Errorf("%d recorded and %d lost, want %d in all", len(fs), c.Lost(), sent)
	}
	for i := 1; i < len(fs); i++ {
		if number(fs[i]) <= number(fs[i-1]) {
			t.Fatalf("frame %d after frame %d", number(fs[i]), number(fs[i-1]))
		}
	}
}

func TestCloseKeepsTheRecord(t *testing.T) {
	p := makePair(t)
	c := start(t, p, capture.Options{})
	send(t, p.node, frame(1, 60))
	check(t, c.Close())
	check(t, c.Close())
	send(t, p.node, frame(2, 60))
	if fs := c.Since(0); len(fs) != 1 || number(fs[0]) != 1 {
		t.Errorf("%d frames, want the one from before Close", len(fs))
	}
	if err := c.Start(nil); !errors.Is(err, capture.ErrClosed) {
		t.Errorf("Start after Close: %v, want ErrClosed", err)
	}
}

// The kernel releases the socket behind Close's back: /proc/net/packet lists the
// namespace's packet sockets.
func TestCloseReleasesTheSocket(t *testing.T) {
	ns := makeNS(t)
	sockets := func() (n int) {
		check(t, ns.Do(func() error {
			b, err := os.ReadFile("/proc/thread-self/net/packet")
			n = bytes.Count(b, []byte("\n")) - 1
			return err
		}))
		return n
	}
	for range 3 {
		c, err := capture.Open(ns, capture.Options{})
		check(t, err)
		check(t, c.Start(map[int]capture.End{}))
		if n := sockets(); n == 0 {
			t.Fatal("an open capture has no socket")
		}
		check(t, c.Close())
	}
	for deadline := time.Now().Add(time.Minute); sockets() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d packet sockets are left", sockets())
		}
	}
}

func TestNothingIsRecordedOfOtherInterfacesOrBeforeStart(t *testing.T) {
	p := makePair(t)
	c, err := capture.Open(p.ether, capture.Options{})
	check(t, err)
	defer c.Close()
	send(t, p.node, frame(1, 60))
	check(t, c.Start(map[int]capture.End{p.index + 1000: {}}))
	send(t, p.node, frame(2, 60))
	if fs := c.Since(0); len(fs) != 0 {
		t.Errorf("recorded %v", fs)
	}
	if err := c.Start(nil); err == nil {
		t.Error("a second Start is accepted")
	}
}

func BenchmarkOpen(b *testing.B) {
	p := makePair(b)
	for b.Loop() {
		c, err := capture.Open(p.ether, capture.Options{})
		check(b, err)
		check(b, c.Start(map[int]capture.End{}))
		c.Close()
	}
}

func BenchmarkFrame(b *testing.B) {
	p := makePair(b)
	c := start(b, p, capture.Options{MaxFrames: 1 << 30})
	f := frame(0, 60)
	for b.Loop() {
		send(b, p.node, f)
	}
	b.ReportMetric(float64(c.Lost()), "lost")
}
