// Package conformance is what every netem.Medium has to pass: real traffic of
// the kernel's own stack, carried between two network namespaces.
package conformance

import (
	"math"
	"net/netip"
	"sync"
	"testing"
	"time"

	"testbed/netem"
	"testbed/topo/netns"
)

// Open makes the medium under test. It may call onDrop for the frames it drops,
// from any goroutine.
type Open func(ether *netns.NS, onDrop func(netem.Drop)) (netem.Medium, error)

// Run runs the suite. It needs a process that may make network namespaces; see
// sandbox.TestMain.
func Run(t *testing.T, open Open) {
	s := suite{open}
	for _, c := range []struct {
		name string
		test func(*testing.T)
	}{
		{"TCP over IPv4 arrives whole", func(t *testing.T) { s.stream(t, IPv4, netem.Impairment{}) }},
		{"TCP over IPv6 arrives whole", func(t *testing.T) { s.stream(t, IPv6, netem.Impairment{}) }},
		{"TCP over a bad link arrives whole", func(t *testing.T) { s.stream(t, IPv4, bad) }},
		{"TCP with a limit of an MTU arrives whole", func(t *testing.T) { s.stream(t, IPv4, netem.Impairment{MTU: 1500}) }},
		{"frames are never early", s.never},
		{"jitter keeps the order", s.jitter},
		{"a falling delay keeps the order", s.falling},
		{"loss is as asked", s.loss},
		{"duplicates follow at once", s.duplicates},
		{"what exceeds the MTU vanishes", s.mtu},
		{"a link that is down carries nothing", s.down},
		{"directions differ", s.directions},
		{"an interface may go down and up", s.flap},
		{"settings change under traffic", s.change},
		{"closing stops the traffic", s.closing},
		{"impairments that make no sense are refused", s.refusal},
	} {
		t.Run(c.name, c.test)
	}
}

// bad is a link with everything wrong that TCP gets over.
var bad = netem.Impairment{Delay: 2 * time.Millisecond, Jitter: time.Millisecond, Loss: 0.003, Duplicate: 0.01}

// both is the same impairment in both directions.
func both(i netem.Impairment) [2]netem.Impairment { return [2]netem.Impairment{i, i} }

type suite struct{ open Open }

// carry makes a network whose link is carried.
func (s suite) carry(t *testing.T, addresses [2]netip.Addr, toward [2]netem.Impairment) (*Network, netem.Medium, netem.Segment) {
	t.Helper()
	n := NewNetwork(t, addresses)
	m, err := s.open(n.Ether, func(netem.Drop) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	seg, err := m.Carry(n.Link(0, toward))
	if err != nil {
		t.Fatal(err)
	}
	return n, m, seg
}

func (s suite) stream(t *testing.T, addresses [2]netip.Addr, i netem.Impairment) {
	n, _, seg := s.carry(t, addresses, both(i))
	n.Exchange(t, Stream)
	for side := range netem.Side(2) {
		c := seg.Counters(side)
		if c.In == 0 || c.Delivered == 0 {
			t.Errorf("counters toward side %d: %+v, though a stream has crossed", side, c)
		}
		if i == (netem.Impairment{}) && c.Dropped+c.Duplicated > 0 {
			t.Errorf("counters toward side %d: %+v, though nothing was to be dropped or duplicated", side, c)
		}
	}
}

func (s suite) never(t *testing.T) {
	const delay, jitter = 10 * time.Millisecond, 3 * time.Millisecond
	n, _, seg := s.carry(t, IPv4, both(netem.Impairment{Delay: delay, Jitter: jitter}))
	d := n.NewDatagrams(t, 0)
	for range 300 {
		d.Send(t, 100)
	}
	for _, a := range d.Settled(t, seg, 1) {
		if a.Took < delay-jitter {
			t.Errorf("datagram %d took %v, which is less than %v", a.Number, a.Took, delay-jitter)
		}
	}
}

// ascending checks that exactly the numbers from 0 to n-1 arrived, in order.
func ascending(t *testing.T, arrived []Arrival, n int) {
	t.Helper()
	if len(arrived) != n {
		t.Errorf("%d datagrams arrived, want %d", len(arrived), n)
	}
	for i, a := range arrived {
		if a.Number != i {
			t.Fatalf("datagram %d arrived in place %d", a.Number, i)
		}
	}
}

func (s suite) jitter(t *testing.T) {
	n, _, seg := s.carry(t, IPv4, both(netem.Impairment{Delay: 5 * time.Millisecond, Jitter: 5 * time.Millisecond}))
	d := n.NewDatagrams(t, 0)
	for range 300 {
		d.Send(t, 100)
	}
	ascending(t, d.Settled(t, seg, 1), 300)
}

func (s suite) falling(t *testing.T) {
	n, _, seg := s.carry(t, IPv4, both(netem.Impairment{Delay: 50 * time.Millisecond}))
	d := n.NewDatagrams(t, 0)
	for range 50 {
		d.Send(t, 100)
	}
	if err := seg.Set(1, netem.Impairment{}); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		d.Send(t, 100)
	}
	arrived := d.Settled(t, seg, 1)
	ascending(t, arrived, 100)
	if took := arrived[49].Took; took < 50*time.Millisecond {
		t.Errorf("a datagram from before the change took %v", took)
	}
}

func (s suite) loss(t *testing.T) {
	const count, p = 3000, 0.2
	n, _, seg := s.carry(t, IPv4, both(netem.Impairment{Loss: p}))
	d := n.NewDatagrams(t, 0)
	for i := range count {
		d.Send(t, 100)
		if i%100 == 99 {
			d.Settled(t, seg, 1)
		}
	}
	lost := count - len(d.Settled(t, seg, 1))
	if c := seg.Counters(1); c.Dropped != uint64(lost) {
		t.Errorf("%d datagrams did not arrive, and the counters are %+v", lost, c)
	}
	// Six standard deviations: one false alarm in 500 million runs.
	if spread := 6 * math.Sqrt(count*p*(1-p)); math.Abs(float64(lost)-count*p) > spread {
		t.Errorf("%d of %d datagrams were lost, want %v ± %.0f", lost, count, count*p, spread)
	}
}

func (s suite) duplicates(t *testing.T) {
	n, _, seg := s.carry(t, IPv4, both(netem.Impairment{Delay: time.Millisecond, Duplicate: 1}))
	d := n.NewDatagrams(t, 0)
	for range 100 {
		d.Send(t, 100)
	}
	arrived := d.Settled(t, seg, 1)
	if len(arrived) != 200 {
		t.Fatalf("%d datagrams arrived, want 200", len(arrived))
	}
	for i, a := range arrived {
		if a.Number != i/2 {
			t.Fatalf("datagram %d arrived in place %d, want each twice in a row", a.Number, i)
		}
	}
	if c := seg.Counters(1); c != (netem.Counters{In: 100, Delivered: 200, Duplicated: 100}) {
		t.Errorf("counters are %+v", c)
	}
}

func (s suite) mtu(t *testing.T) {
	const mtu, headers = 1000, 20 + 8
	n, _, seg := s.carry(t, IPv4, [2]netem.Impairment{1: {MTU: mtu}})
	d, back := n.NewDatagrams(t, 0), n.NewDatagrams(t, 1)
	for _, size := range []int{mtu - headers, mtu - headers + 1, 1400, 100} {
		d.Send(t, size)
		back.Send(t, size)
	}
	if a := d.Settled(t, seg, 1); len(a) != 2 || a[0].Number != 0 || a[1].Number != 3 {
		t.Errorf("through an MTU of %d came %+v, want datagrams 0 and 3", mtu, a)
	}
	ascending(t, back.Settled(t, seg, 0), 4)
}

func (s suite) down(t *testing.T) {
	const delay = 100 * time.Millisecond
	n, _, seg := s.carry(t, IPv4, both(netem.Impairment{Delay: delay}))
	d := n.NewDatagrams(t, 0)
	d.Send(t, 100) // on its way when the link goes down
	if err := seg.Set(1, netem.Impairment{Delay: delay, Down: true}); err != nil {
		t.Fatal(err)
	}
	d.Send(t, 100)
	if a := d.Settled(t, seg, 1); len(a) != 0 {
		t.Errorf("through a link that is down came %+v", a)
	}
	if err := seg.Set(1, netem.Impairment{}); err != nil {
		t.Fatal(err)
	}
	d.Send(t, 100)
	if a := d.Settled(t, seg, 1); len(a) != 1 || a[0].Number != 2 {
		t.Errorf("after the link was up again came %+v, want datagram 2", a)
	}
}

func (s suite) directions(t *testing.T) {
	const delay = 20 * time.Millisecond
	n, _, seg := s.carry(t, IPv4, [2]netem.Impairment{0: {Delay: delay}, 1: {Loss: 1}})
	forth, back := n.NewDatagrams(t, 0), n.NewDatagrams(t, 1)
	for range 10 {
		forth.Send(t, 100)
		back.Send(t, 100)
	}
	if a := forth.Settled(t, seg, 1); len(a) != 0 {
		t.Errorf("toward side 1, where all is lost, came %+v", a)
	}
	a := back.Settled(t, seg, 0)
	ascending(t, a, 10)
	if a[0].Took < delay {
		t.Errorf("toward side 0 it took %v, which is less than %v", a[0].Took, delay)
	}
}

func (s suite) flap(t *testing.T) {
	n, _, seg := s.carry(t, IPv4, both(netem.Impairment{}))
	d := n.NewDatagrams(t, 1)
	d.Send(t, 100)
	d.Settled(t, seg, 0)
	for _, up := range []bool{false, true} {
		if err := n.SetUp(0, up); err != nil {
			t.Fatal(err)
		}
	}
	before := len(d.Arrived())
	Until(t, "traffic to flow again", func() bool {
		d.Send(t, 100)
		return len(d.Arrived()) > before
	})
}

func (s suite) change(t *testing.T) {
	n, _, seg := s.carry(t, IPv4, both(netem.Impairment{}))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for side := range netem.Side(2) {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := seg.Set(side, netem.Impairment{Delay: time.Duration(i%3) * time.Millisecond}); err != nil {
					t.Error(err)
				}
				if c := seg.Counters(side); c.Delivered+c.Dropped > c.In+c.Duplicated {
					t.Errorf("more came out than went in: %+v", c)
				}
				time.Sleep(100 * time.Microsecond)
			}
		})
	}
	n.Exchange(t, Stream)
	close(stop)
	wg.Wait()
}

func (s suite) closing(t *testing.T) {
	n, m, seg := s.carry(t, IPv4, both(netem.Impairment{Delay: 5 * time.Millisecond}))
	d := n.NewDatagrams(t, 0)
	for len(d.Arrived()) < 100 {
		d.Send(t, 100)
	}
	for range 2 {
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	c := seg.Counters(1)
	if c.In+c.Duplicated != c.Delivered+c.Dropped {
		t.Errorf("closed with frames unaccounted for: %+v", c)
	}
	for range 10 {
		d.Send(t, 100)
	}
	if after := seg.Counters(1); after != c {
		t.Errorf("counters went from %+v to %+v after closing", c, after)
	}
	if _, err := m.Carry(n.Link(1, both(netem.Impairment{}))); err == nil {
		t.Error("a closed medium carries a link")
	}
}

func (s suite) refusal(t *testing.T) {
	n, m, seg := s.carry(t, IPv4, both(netem.Impairment{}))
	wrong := netem.Impairment{Loss: 2}
	if err := seg.Set(0, wrong); err == nil {
		t.Errorf("Set accepts %+v", wrong)
	}
	if err := seg.Set(2, netem.Impairment{}); err == nil {
		t.Error("Set accepts side 2")
	}
	if _, err := m.Carry(n.Link(1, both(wrong))); err == nil {
		t.Errorf("Carry accepts %+v", wrong)
	}
	l := n.Link(2, both(netem.Impairment{}))
	l.Ends[1].Index = 4000
	if _, err := m.Carry(l); err == nil {
		t.Error("Carry accepts an interface that is not there")
	}
}
