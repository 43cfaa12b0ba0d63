package conformance

import (
	"bytes"
	"math/bits"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"testbed/netem"
)

// reorder tells the frames that overtake by their times: the delay is far longer
// than any machine is late.
func (s suite) reorder(t *testing.T) {
	const count, p, delay = 400, 0.3, 400 * time.Millisecond
	l := s.carry(t, IPv4, both(netem.Impairment{Delay: delay, Reorder: p}))
	d := l.NewDatagrams(t, 0)
	for range count {
		d.Send(t, 100)
	}
	early, last := 0, map[bool]int{true: -1, false: -1}
	arrived := d.Settled(t, l, 1)
	whole(t, arrived)
	for _, a := range arrived {
		overtakes := a.Took < delay
		if overtakes {
			early++
		}
		if a.Number <= last[overtakes] {
			t.Errorf("datagram %d arrived after %d, both overtaking: %v", a.Number, last[overtakes], overtakes)
		}
		last[overtakes] = a.Number
	}
	if len(arrived) != count {
		t.Errorf("%d datagrams arrived, want %d", len(arrived), count)
	}
	near(t, "frames that overtake", early, count, p, 1)
	if c := l.Counters(1); c.Reordered != uint64(early) && !s.Untold.Reordered {
		t.Errorf("%d frames came early, and the counters are %+v", early, c)
	}
}

// corrupt compares each frame as it arrives with what was sent. A medium may take
// the Ethernet header for a part of the frame as well, as sch_netem does.
func (s suite) corrupt(t *testing.T) {
	const count, p = 600, 0.3
	l := s.carry(t, IPv4, both(netem.Impairment{Corrupt: p}))
	d := l.NewDatagrams(t, 0)
	setOption(t, d.from, unix.SO_NO_CHECK) // the sender's kernel has no more to do
	sent, got := l.newTap(t, 0, true), l.newTap(t, 1, false)
	wrong, places := 0, map[int]bool{}
	for n := range count {
		d.Send(t, 100)
		if n%50 < 49 {
			continue
		}
		Until(t, "the frames to have crossed", func() bool { c := l.Counters(1); return c.In == uint64(n+1) && atRest(c) })
		for range 50 {
			place, differ := difference(t, sent.next(t), got.next(t))
			if differ > 1 {
				t.Errorf("%d bits of a frame are wrong", differ)
			}
			if differ > 0 {
				wrong++
				places[place] = true
			}
		}
	}
	near(t, "frames with a wrong bit", wrong, count, p, 1)
	if c := l.Counters(1); c.Corrupted != uint64(wrong) && !s.Untold.Corrupted {
		t.Errorf("%d frames had a wrong bit, and the counters are %+v", wrong, c)
	}
	// Of the packet's 1024 bits some 160 are drawn, some of them twice.
	if len(places) < wrong/2 {
		t.Errorf("%d frames had one of only %d bits wrong", wrong, len(places))
	}
}

// difference is how many bits differ, and the place of the first one.
func difference(t *testing.T, a, b []byte) (place, bitsWrong int) {
	t.Helper()
	if len(a) != len(b) {
		t.Fatalf("a frame of %d bytes arrived as one of %d", len(a), len(b))
	}
	if bytes.Equal(a, b) {
		return 0, 0
	}
	place = -1
	for i := range a {
		wrong := a[i] ^ b[i]
		if wrong != 0 && place < 0 {
			place = 8*i + bits.TrailingZeros8(wrong)
		}
		bitsWrong += bits.OnesCount8(wrong)
	}
	return place, bitsWrong
}

// checksums corrupts every frame: what does not hit the Ethernet header, the
// receiver's kernel notices, if the checksum was computed before.
func (s suite) checksums(t *testing.T) {
	const count = 300
	l := s.carry(t, IPv4, both(netem.Impairment{Corrupt: 1}))
	d := l.NewDatagrams(t, 0)
	for range count {
		d.Send(t, 100)
	}
	Until(t, "the frames to have crossed", func() bool { c := l.Counters(1); return c.In == count && atRest(c) })
	if c := l.Counters(1); c.Corrupted != count && !s.Untold.Corrupted {
		t.Errorf("all of %d frames are to be corrupted, and the counters are %+v", count, c)
	}
	arrived := d.Arrived()
	whole(t, arrived)
	if len(arrived) > count/4 {
		t.Errorf("%d of %d corrupted datagrams arrived", len(arrived), count)
	}
}
