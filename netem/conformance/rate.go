package conformance

import (
	"testing"
	"time"

	"testbed/netem"
)

const (
	// rateSize is the payload of the datagrams whose frames take their turn, and
	// rateFrame the length of their Ethernet frames.
	rateSize, rateFrame = 1000, 14 + 20 + 8 + 1000
	// waiting is how many of them a bounded queue holds.
	waiting = 10
)

// every is the rate at which such a frame takes so long.
func every(d time.Duration) uint64 { return uint64(rateFrame * 8 * time.Second / d) }

// rate sends frames at once, and compares when each arrives with when its turn has
// passed.
func (s suite) rate(t *testing.T) {
	const count, takes, delay = 100, 2 * time.Millisecond, 15 * time.Millisecond
	l := s.carry(t, IPv4, both(netem.Impairment{Delay: delay, Rate: every(takes)}))
	d := l.NewDatagrams(t, 0)
	var due []time.Time
	free := time.Time{}
	for range count {
		sent := d.Send(t, rateSize)
		if free.Before(sent) {
			free = sent
		}
		free = free.Add(takes)
		due = append(due, free.Add(delay))
	}
	arrived := d.Settled(t, l, 1)
	ascending(t, arrived, count)
	var late []int64
	for i, a := range arrived {
		late = append(late, int64(a.At.Sub(due[i])))
	}
	least, half := time.Duration(quantile(late, 0)), time.Duration(quantile(late, 0.5))
	t.Logf("frames are late by %v at least and %v in the median", least, half)
	if ahead := time.Duration(s.Bucket) * takes; least < -ahead {
		t.Errorf("a frame is early by %v, at most %v is allowed", -least, ahead)
	}
	if half > s.lateness()+takes {
		t.Errorf("half of the frames are late by more than %v, at most %v is allowed", half, s.lateness()+takes)
	}
}

// queue sends far more than fits. In the time that the sender takes for it, the
// queue moves on.
func (s suite) queue(t *testing.T, q netem.Queue) {
	const count, takes = 5 * waiting, 20 * time.Millisecond
	l := s.carry(t, IPv4, both(netem.Impairment{Rate: every(takes), Queue: q}))
	d := l.NewDatagrams(t, 0)
	began := time.Now()
	for range count {
		d.Send(t, rateSize)
	}
	Until(t, "the frames to come in", func() bool { return l.Counters(1).In == count })
	moved := int(time.Since(began)/takes) + 1
	arrived := d.Settled(t, l, 1)
	whole(t, arrived)
	for i, a := range arrived {
		if i <= waiting && a.Number != i {
			t.Fatalf("datagram %d arrived in place %d, though there was room for it", a.Number, i)
		}
	}
	if n, more := len(arrived), s.Bucket+moved; n <= waiting || n > waiting+1+more {
		t.Errorf("%d datagrams arrived, want one and %d that waited, and at most %d more", n, waiting, more)
	}
	l.droppedFor(t, netem.Overflow)
	if c := l.Counters(1); c.Overflowed != c.Dropped || c.Dropped != uint64(count-len(arrived)) {
		t.Errorf("%d of %d datagrams arrived, and the counters are %+v", len(arrived), count, c)
	}
	d.Send(t, rateSize)
	if again := d.Settled(t, l, 1); len(again) != len(arrived)+1 {
		t.Error("when the queue was empty again, a datagram was lost")
	}
}

// delayedQueue keeps more frames on their way than may wait.
func (s suite) delayedQueue(t *testing.T) {
	const count, takes = 10 * waiting, time.Microsecond
	l := s.carry(t, IPv4, both(netem.Impairment{
		Delay: 200 * time.Millisecond, Rate: every(takes), Queue: netem.Queue{Frames: waiting},
	}))
	d := l.NewDatagrams(t, 0)
	for range count {
		d.Send(t, rateSize)
		time.Sleep(100 * takes)
	}
	ascending(t, d.Settled(t, l, 1), count)
}
