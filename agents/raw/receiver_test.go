package raw_test

import (
	"net/netip"
	"testing"
	"time"

	"testbed/agents/raw"
	"testbed/topo/netns"
	"testbed/topo/rtnl"
	"testbed/topo/sandbox"
)

func TestMain(m *testing.M) { sandbox.TestMain(m) }

// An answer that has come in time is no silence, even if nobody looked until it was too
// late.
func TestWhatCameInTimeIsReceived(t *testing.T) {
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	h, err := rtnl.Open(ns)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := h.SetUp("lo", true); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"127.0.0.1", "::1"} {
		own := netip.MustParseAddr(address)
		r, err := raw.NewReceiver(ns, own)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		s, err := raw.NewSender(ns, own.Is4())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
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
			t.Errorf("%s: the answer is not received", address)
		}
	}
}
