package qdisc_test

import (
	"slices"
	"testing"
	"time"

	"testbed/netem"
	"testbed/netem/conformance"
	"testbed/netem/qdisc"
)

// carry makes a network whose link the kernel carries.
func carry(tb testing.TB, seed uint64, toward netem.Impairment) (*conformance.Network, *qdisc.Medium, netem.Segment) {
	tb.Helper()
	needNetem(tb)
	n := conformance.NewNetwork(tb, conformance.IPv4)
	m, err := qdisc.New(n.Ether, qdisc.Options{Seed: seed})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := m.Close(); err != nil {
			tb.Error(err)
		}
	})
	s, err := m.Carry(n.Link(3, [2]netem.Impairment{1: toward}))
	if err != nil {
		tb.Fatal(err)
	}
	return n, m, s
}

func numbers(arrived []conformance.Arrival) (all []int) {
	for _, a := range arrived {
		all = append(all, a.Number)
	}
	return all
}

// survivors are the numbers of the datagrams that arrive over a bad link.
func survivors(t *testing.T, seed uint64) []int {
	n, m, s := carry(t, seed, netem.Impairment{Loss: 0.2, Duplicate: 0.1, Delay: time.Millisecond, Jitter: time.Millisecond})
	d := n.NewDatagrams(t, 0)
	for range 300 {
		d.Send(t, 64)
	}
	all := numbers(d.Settled(t, s, 1))
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestKernelTakesTheSeed(t *testing.T) {
	needNetem(t)
	if seeds, _ := qdisc.Supported(); !seeds {
		t.Skip("this kernel's netem takes no seed")
	}
	first := survivors(t, 7)
	if again := survivors(t, 7); !slices.Equal(first, again) {
		t.Error("the same seed gave other fates")
	}
	if other := survivors(t, 8); slices.Equal(first, other) {
		t.Error("another seed gave the same fates")
	}
}

// A direction that gets its first rate is staged while frames are on their way:
// none is lost, and none overtakes.
func TestKernelStagesUnderTraffic(t *testing.T) {
	n, _, s := carry(t, 1, netem.Impairment{Delay: 50 * time.Millisecond})
	d := n.NewDatagrams(t, 0)
	const each = 50
	for _, i := range []netem.Impairment{
		{Delay: 20 * time.Millisecond, Rate: 1e6},
		{Rate: 10e6, Queue: netem.Queue{Frames: 1000}},
		{Delay: 10 * time.Millisecond, Jitter: 10 * time.Millisecond, Distribution: netem.Normal},
		{Delay: 10 * time.Millisecond, Jitter: 10 * time.Millisecond},
		{},
	} {
		for range each {
			d.Send(t, 100)
		}
		if err := s.Set(1, i); err != nil {
			t.Fatal(err)
		}
	}
	want := make([]int, 5*each)
	for i := range want {
		want[i] = i
	}
	if got := numbers(d.Settled(t, s, 1)); !slices.Equal(got, want) {
		t.Errorf("arrived %v", got)
	}
}

// What the kernel throws away with the queue of an interface that lost its carrier
// is counted, and so is what it can't hand over while it is down.
func TestKernelCountsWhatADownedPeerSwallows(t *testing.T) {
	n, _, s := carry(t, 1, netem.Impairment{Delay: time.Hour})
	d := n.NewDatagrams(t, 0)
	for range 10 {
		d.Send(t, 100)
	}
	conformance.Until(t, "the frames to enter", func() bool { return s.Counters(1).In == 10 })
	if c := s.Counters(1); c != (netem.Counters{In: 10}) {
		t.Errorf("counters of frames on their way are %+v", c)
	}
	if err := n.SetUp(1, false); err != nil {
		t.Fatal(err)
	}
	d.Send(t, 100)
	conformance.Until(t, "the drops", func() bool { return s.Counters(1).Dropped == 11 })
	if c := s.Counters(1); c != (netem.Counters{In: 11, Dropped: 11}) {
		t.Errorf("counters are %+v", c)
	}
}

// The queue's overflow is told apart from loss.
func TestKernelCountsOverflow(t *testing.T) {
	n, _, s := carry(t, 1, netem.Impairment{Rate: 1e6, Loss: 0.5, Queue: netem.Queue{Frames: 5}})
	d := n.NewDatagrams(t, 0)
	for range 100 {
		d.Send(t, 1000)
	}
	arrived := len(d.Settled(t, s, 1))
	c := s.Counters(1)
	if lost := c.Dropped - c.Overflowed; arrived < 6 || lost < 20 || lost > 80 || c.Overflowed == 0 || c.Delivered != uint64(arrived) {
		t.Errorf("%d arrived, counters are %+v", arrived, c)
	}
}

// The greatest values that the kernel's own fields hold come back as they went.
func TestKernelReadsBack(t *testing.T) {
	_, _, s := carry(t, 1, netem.Impairment{})
	for _, i := range []netem.Impairment{
		{Delay: 300 * time.Hour, Jitter: 2 * time.Second},
		{Jitter: time.Millisecond},
		{Delay: 123456789, Jitter: 1},
		{Rate: 1}, {Rate: 100e9}, {Rate: 8 << 32},
		{Bursts: netem.GilbertElliott{ToBad: 1, ToGood: 1e-9, LossBad: 0.5, LossGood: 0.25}},
		{Delay: time.Second, Reorder: 1}, {Loss: 1e-9}, {Duplicate: 1e-12}, {MTU: 70000},
	} {
		if err := s.Set(1, i); err != nil {
			t.Errorf("%+v: %v", i, err)
		}
	}
}

func TestKernelClosesBehindItself(t *testing.T) {
	n, m, _ := carry(t, 1, netem.Impairment{Rate: 1e6, Down: true})
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := qdisc.New(n.Ether, qdisc.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	s, err := again.Carry(n.Link(3, [2]netem.Impairment{{Rate: 1e6}, {Rate: 1e6}}))
	if err != nil {
		t.Fatal(err)
	}
	d := n.NewDatagrams(t, 0)
	d.Send(t, 100)
	if a := d.Settled(t, s, 1); len(a) != 1 {
		t.Errorf("%d datagrams arrived", len(a))
	}
}
