package wire_test

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"testbed/netem"
	"testbed/netem/conformance"
	"testbed/netem/wire"
)

// drops notes what a wire drops.
type drops struct {
	sync.Mutex
	all []netem.Drop
}

func (d *drops) note(x netem.Drop) {
	d.Lock()
	defer d.Unlock()
	d.all = append(d.all, x)
}

// causes counts them.
func (d *drops) causes() map[netem.Cause]int {
	d.Lock()
	defer d.Unlock()
	n := map[netem.Cause]int{}
	for _, x := range d.all {
		n[x.Cause]++
	}
	return n
}

// carry makes a network whose link a wire carries. Its ID is 3.
func carry(tb testing.TB, o wire.Options, toward netem.Impairment) (*conformance.Network, *wire.Wire, netem.Segment, *drops) {
	tb.Helper()
	n := conformance.NewNetwork(tb, conformance.IPv4)
	d := &drops{}
	o.OnDrop = d.note
	w, err := wire.New(n.Ether, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { w.Close() })
	s, err := w.Carry(n.Link(3, [2]netem.Impairment{1: toward}))
	if err != nil {
		tb.Fatal(err)
	}
	return n, w, s, d
}

// survivors sends datagrams over a bad link and returns the numbers of those
// that arrive, twice if they do.
func survivors(t *testing.T, seed uint64, between func(*conformance.Network)) []int {
	t.Helper()
	n, _, seg, _ := carry(t, wire.Options{Seed: seed}, netem.Impairment{Loss: 0.2, Duplicate: 0.1})
	d := n.NewDatagrams(t, 0)
	for i := range 2000 {
		d.Send(t, 64)
		if i%100 == 99 {
			d.Settled(t, seg, 1)
			between(n)
		}
	}
	var numbers []int
	for _, a := range d.Settled(t, seg, 1) {
		numbers = append(numbers, a.Number)
	}
	return numbers
}

func TestTheSeedDecidesTheFates(t *testing.T) {
	nothing := func(*conformance.Network) {}
	first := survivors(t, 7, nothing)
	if again := survivors(t, 7, nothing); !slices.Equal(first, again) {
		t.Error("the same seed gave other fates")
	}
	if other := survivors(t, 8, nothing); slices.Equal(first, other) {
		t.Error("another seed gave the same fates")
	}
}

func TestDropsAreReported(t *testing.T) {
	for _, c := range []struct {
		cause netem.Cause
		i     netem.Impairment
	}{
		{netem.Lost, netem.Impairment{Loss: 1}},
		{netem.TooBig, netem.Impairment{MTU: 100}},
		{netem.LinkDown, netem.Impairment{Down: true}},
	} {
		t.Run(string(c.cause), func(t *testing.T) {
			n, _, seg, dropped := carry(t, wire.Options{}, c.i)
			d := n.NewDatagrams(t, 0)
			before := time.Now()
			d.Send(t, 200)
			d.Settled(t, seg, 1)
			dropped.Lock()
			defer dropped.Unlock()
			if len(dropped.all) != 1 {
				t.Fatalf("%d drops were reported, want 1", len(dropped.all))
			}
			got := dropped.all[0]
			if got.Link != 3 || got.To != 1 || got.Cause != c.cause || got.Length != 14+28+200 || len(got.Frame) != 128 {
				t.Errorf("reported %+v", got)
			}
			if got.Time.Before(before.Round(0)) || got.Time.After(time.Now()) {
				t.Errorf("reported for %v, which is not now", got.Time)
			}
			// IPv4, to the other node's address.
			if want := conformance.IPv4[1].AsSlice(); !slices.Equal(got.Frame[30:34], want) {
				t.Errorf("the frame's destination is %v, want %v", got.Frame[30:34], want)
			}
		})
	}
}

func TestMemoryIsBounded(t *testing.T) {
	const frames = 20
	n, w, seg, dropped := carry(t, wire.Options{Limit: frames * 256}, netem.Impairment{Delay: time.Hour})
	d := n.NewDatagrams(t, 0)
	for range 50 {
		d.Send(t, 100)
	}
	conformance.Until(t, "the frames to enter", func() bool { return seg.Counters(1).In == 50 })
	conformance.Until(t, "the overflow", func() bool { return seg.Counters(1).Dropped == 50-frames })
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got := dropped.causes()
	if len(got) != 2 || got[netem.Overflow] != 50-frames || got[netem.Closed] != frames {
		t.Errorf("dropped for %v, want %d frames that exceed the limit and %d at the end", got, 50-frames, frames)
	}
	if c := seg.Counters(1); c != (netem.Counters{In: 50, Dropped: 50, Overflowed: 50 - frames}) {
		t.Errorf("counters are %+v", c)
	}
}

func TestAFullReceiveBufferIsReported(t *testing.T) {
	var once sync.Once
	entered, release := make(chan struct{}), make(chan struct{})
	n := conformance.NewNetwork(t, conformance.IPv4)
	d := &drops{}
	w, err := wire.New(n.Ether, wire.Options{OnDrop: func(x netem.Drop) {
		d.note(x)
		once.Do(func() { // the wire reads nothing while it is in here
			close(entered)
			<-release
		})
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	seg, err := w.Carry(n.Link(0, [2]netem.Impairment{1: {Loss: 1}}))
	if err != nil {
		t.Fatal(err)
	}
	g := n.NewDatagrams(t, 0)
	g.Send(t, 64)
	<-entered
	const most = 200_000
	for range most {
		g.Send(t, 64)
	}
	close(release)
	conformance.Until(t, "all to be accounted for", func() bool { return seg.Counters(1).In == most+1 })
	if got := d.causes(); got[netem.Overflow] == 0 || got[netem.Overflow]+got[netem.Lost] != most+1 {
		t.Errorf("dropped for %v, want %d in all, some of them for want of room", got, most+1)
	}
}

func TestAPeerThatIsDownIsALinkThatIsDown(t *testing.T) {
	n, _, seg, dropped := carry(t, wire.Options{}, netem.Impairment{})
	d := n.NewDatagrams(t, 0)
	if err := n.SetUp(1, false); err != nil {
		t.Fatal(err)
	}
	d.Send(t, 100)
	conformance.Until(t, "the drop", func() bool { return seg.Counters(1).Dropped == 1 })
	if got := dropped.causes(); got[netem.LinkDown] != 1 {
		t.Errorf("dropped for %v, want %s", got, netem.LinkDown)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func TestCloseGivesEverythingBack(t *testing.T) {
	n := conformance.NewNetwork(t, conformance.IPv4)
	before := descriptors(t)
	w, err := wire.New(n.Ether, wire.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for id := range 20 {
		if _, err := w.Carry(n.Link(id, [2]netem.Impairment{{Down: true}, {Down: true}})); err != nil {
			t.Fatal(err)
		}
	}
	if got := descriptors(t); got <= before {
		t.Errorf("%d descriptors while open, %d before", got, before)
	}
	began := time.Now()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	t.Log("closing 40 sockets took", time.Since(began))
	if got := descriptors(t); got != before {
		t.Errorf("%d descriptors after Close, %d before", got, before)
	}
}

func TestTheNextWireTakesThePlacesOfTheLast(t *testing.T) {
	n := conformance.NewNetwork(t, conformance.IPv4)
	var places []int
	for range 20 {
		w, err := wire.New(n.Ether, wire.Options{})
		if err != nil {
			t.Fatal(err)
		}
		places = append(places, runtime.GOMAXPROCS(0))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		places = append(places, runtime.GOMAXPROCS(0))
	}
	if slices.Min(places) != slices.Max(places) {
		t.Errorf("GOMAXPROCS was %v with and without a wire in turns", places)
	}
}

func TestManyLinksOnOneWire(t *testing.T) {
	const links = 8
	var networks [links]*conformance.Network
	ether := conformance.NewNetwork(t, conformance.IPv4)
	networks[0] = ether
	for i := 1; i < links; i++ {
		networks[i] = ether.Another(t)
	}
	w, err := wire.New(ether.Ether, wire.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	for i, n := range networks {
		delay := netem.Impairment{Delay: time.Duration(i) * time.Millisecond}
		if _, err := w.Carry(n.Link(i, [2]netem.Impairment{delay, delay})); err != nil {
			t.Fatal(err)
		}
	}
	for i, n := range networks {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			n.Exchange(t, conformance.Stream/4)
		})
	}
}
