package raw_test

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"testbed/agents/raw"
	"testbed/topo/netns/netnstest"
	"testbed/topo/sandbox"
)

func TestMain(m *testing.M) { sandbox.TestMain(m) }

// loopback is a namespace with nothing but its loopback interface, and a receiver of
// what comes from one of its addresses, with a sender.
func loopback(t *testing.T, own netip.Addr) (*raw.Receiver, *raw.Sender) {
	t.Helper()
	ns := netnstest.Loopback(t)
	r, err := raw.NewReceiver(ns, own)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	s, err := raw.NewSender(ns, own.Is4())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return r, s
}

var owns = []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")}

// An answer that has come in time is no silence, even if nobody looked until it was too
// late.
func TestWhatCameInTimeIsReceived(t *testing.T) {
	for _, own := range owns {
		r, s := loopback(t, own)
		syn := raw.SYN{Source: netip.AddrPortFrom(own, 61000), Target: netip.AddrPortFrom(own, 80), Seq: 7}
		if err := s.Send(syn.Packet(), own); err != nil {
			t.Fatal(err)
		}
		const rst = 1 << 2
		answered := false
		take := func(g raw.Segment) { answered = answered || g.Local == 61000 && g.Flags&rst != 0 && g.Ack == 8 }
		for end := time.Now().Add(5 * time.Second); !answered && time.Now().Before(end); {
			if err := r.Receive(t.Context(), time.Now().Add(-time.Second), take); err != nil {
				t.Fatal(err)
			}
		}
		if !answered {
			t.Errorf("%s: the answer is not received", own)
		}
	}
}

// A segment in which a bit was flipped is none, as it is to the kernel's TCP.
func TestWhatWasDamagedIsNotReceived(t *testing.T) {
	const last, damaged, whole = 7, 1, 2
	for _, own := range owns {
		r, s := loopback(t, own)
		send := func(kind uint32, change func(segment []byte)) {
			t.Helper()
			b := raw.SYN{Source: netip.AddrPortFrom(own, 80), Target: netip.AddrPortFrom(own, 61000), Seq: kind}.Packet()
			change(b[len(b)-24:])
			if err := s.Send(b, own); err != nil {
				t.Fatal(err)
			}
		}
		send(whole, func([]byte) {})
		for i := range 24 * 8 {
			if i/8 < 4 { // another port's
				continue
			}
			send(damaged, func(b []byte) { b[i/8] ^= 1 << (i % 8) })
		}
		// The kernel's own, between two ends that it has, need no checksum but the
		// beginning of one.
		send(whole, func(b []byte) {
			sum := uint32(len(b)) + 6
			for a := own.AsSlice(); len(a) > 0; a = a[2:] {
				sum += 2 * uint32(binary.BigEndian.Uint16(a))
			}
			binary.BigEndian.PutUint16(b[16:], uint16(sum+sum>>16))
		})
		send(last, func([]byte) {})
		var got []uint32
		take := func(g raw.Segment) {
			if g.Local == 61000 && g.Remote == 80 { // not what the kernel answers
				got = append(got, g.Seq)
			}
		}
		for end := time.Now().Add(5 * time.Second); !slices.Contains(got, last) && time.Now().Before(end); {
			if err := r.Receive(t.Context(), time.Now().Add(10*time.Millisecond), take); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(got, []uint32{whole, whole, last}) {
			t.Errorf("%s: got %d, want the whole ones: %d", own, got, []uint32{whole, whole, last})
		}
	}
}
