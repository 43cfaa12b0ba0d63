package conformance

import (
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"testbed/netem"
)

// bad is a link with much wrong that TCP gets over, and noisy one that flips bits.
// No link is so bad, but a whole stream is not much more than a hundred
// super-segments.
var (
	bad = netem.Impairment{
		Delay: 2 * time.Millisecond, Jitter: time.Millisecond, Distribution: netem.Normal,
		Loss: 0.02, Duplicate: 0.05, Reorder: 0.05,
	}
	noisy = netem.Impairment{Delay: time.Millisecond, Duplicate: 0.05, Corrupt: 0.1}
)

// slow is a link at whose rate a stream takes its time.
var slow = netem.Impairment{Delay: time.Millisecond, Rate: 200e6, Queue: netem.Queue{Frames: 200}}

// streams are the tests with TCP, with the kernel's offloads on: super-segments
// cross.
func (s suite) streams() []trial {
	return []trial{
		{"TCP over IPv4 arrives whole", func(t *testing.T) { s.stream(t, IPv4, netem.Impairment{}) }},
		{"TCP over IPv6 arrives whole", func(t *testing.T) { s.stream(t, IPv6, netem.Impairment{}) }},
		{"TCP over a bad link arrives whole", func(t *testing.T) { s.stream(t, IPv4, bad) }},
		{"TCP over a noisy link arrives whole over IPv4", func(t *testing.T) { s.stream(t, IPv4, noisy) }},
		{"TCP over a noisy link arrives whole over IPv6", func(t *testing.T) { s.stream(t, IPv6, noisy) }},
		{"TCP with a limit of an MTU arrives whole", func(t *testing.T) { s.stream(t, IPv4, netem.Impairment{MTU: 1500}) }},
		{"TCP keeps to a rate", func(t *testing.T) { s.stream(t, IPv4, slow) }},
	}
}

func (s suite) stream(t *testing.T, addresses [2]netip.Addr, i netem.Impairment) {
	l := s.carry(t, addresses, both(i))
	l.cut = i.Corrupt > 0
	began := time.Now()
	l.Exchange(t, Stream)
	if i.Rate > 0 {
		took, least := time.Since(began), time.Duration(Stream*8*1e9/i.Rate)
		t.Logf("%d bytes took %v at %d bit/s, which need %v", Stream, took, i.Rate, least)
		if took < least {
			t.Error("that is too fast")
		}
	}
	for side := range netem.Side(2) {
		c := l.Counters(side)
		t.Logf("toward side %d: %+v", side, c)
		if c.In == 0 || c.Delivered == 0 {
			t.Errorf("counters toward side %d: %+v, though a stream has crossed", side, c)
		}
		if i == (netem.Impairment{}) && c.Dropped+c.Duplicated+c.Corrupted+c.Reordered > 0 {
			t.Errorf("counters toward side %d: %+v, though nothing was to happen", side, c)
		}
	}
}

// moods are impairments that a link changes between.
var moods = []netem.Impairment{
	{},
	{Delay: time.Millisecond},
	{Delay: 2 * time.Millisecond, Jitter: time.Millisecond, Distribution: netem.ParetoNormal},
	{Delay: time.Millisecond, Reorder: 0.1, Corrupt: 0.02},
	{Rate: 500e6, Queue: netem.Queue{Frames: 100}, Duplicate: 0.1},
	{Bursts: netem.GilbertElliott{ToBad: 0.01, ToGood: 0.5, LossBad: 0.5}},
}

// change lets a stream cross a link that changes all the time.
func (s suite) change(t *testing.T) {
	l := s.carry(t, IPv4, both(netem.Impairment{}))
	l.cut = true
	done := s.whim(t, l)
	l.Exchange(t, Stream/2)
	done()
}

// churn sends datagrams over a link that changes all the time, and none of them
// may get lost without a count.
func (s suite) churn(t *testing.T) {
	l := s.carry(t, IPv4, both(netem.Impairment{}))
	done := s.whim(t, l)
	var all [2]*Datagrams
	for side := range all {
		all[side] = l.NewDatagrams(t, side)
	}
	for n := range 1000 {
		for _, d := range all {
			d.Send(t, 100)
		}
		if n%50 == 49 {
			time.Sleep(2 * time.Millisecond)
		}
	}
	done()
	for side, d := range all {
		Until(t, "the link to be at rest", func() bool {
			c := l.Counters(netem.Side(side).Other())
			return c.In == 1000 && atRest(c)
		})
		whole(t, d.Arrived())
	}
}

// whim changes a link's impairments until the caller is done, among those that the
// medium can bring about.
func (s suite) whim(t *testing.T, l *link) (done func()) {
	moods := slices.Clone(moods)
	if s.Refuses != nil {
		moods = slices.DeleteFunc(moods, s.Refuses)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for side := range netem.Side(2) {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(100 * time.Microsecond):
				}
				if err := l.Set(side, moods[n%len(moods)]); err != nil {
					t.Error(err)
				}
				if c := l.Counters(side); c.Delivered+c.Dropped > c.In+c.Duplicated {
					t.Errorf("more came out than went in: %+v", c)
				}
			}
		})
	}
	return func() {
		close(stop)
		wg.Wait()
	}
}

// whole checks that no datagram is damaged.
func whole(t *testing.T, arrived []Arrival) {
	t.Helper()
	for _, a := range arrived {
		if a.Damaged {
			t.Errorf("datagram %d arrived damaged", a.Number)
		}
	}
}
