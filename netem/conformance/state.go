package conformance

import (
	"net/netip"
	"testing"
	"time"

	"testbed/netem"
)

// ascending checks that exactly the numbers from 0 to n-1 arrived, in order and
// whole.
func ascending(t *testing.T, arrived []Arrival, n int) {
	t.Helper()
	whole(t, arrived)
	if len(arrived) != n {
		t.Errorf("%d datagrams arrived, want %d", len(arrived), n)
	}
	for i, a := range arrived {
		if a.Number != i {
			t.Fatalf("datagram %d arrived in place %d", a.Number, i)
		}
	}
}

func (s suite) mtu(t *testing.T, addresses [2]netip.Addr, headers int) {
	const mtu = 1300
	l := s.carry(t, addresses, [2]netem.Impairment{1: {MTU: mtu}})
	d, back := l.NewDatagrams(t, 0), l.NewDatagrams(t, 1)
	for _, size := range []int{mtu - headers, mtu - headers + 1, 1400, 100} {
		d.Send(t, size)
		back.Send(t, size)
	}
	if a := d.Settled(t, l, 1); len(a) != 2 || a[0].Number != 0 || a[1].Number != 3 {
		t.Errorf("through an MTU of %d came %+v, want datagrams 0 and 3", mtu, a)
	}
	ascending(t, back.Settled(t, l, 0), 4)
	l.droppedFor(t, netem.TooBig)
}

// neighbours lets the nodes find each other's MAC address across the link.
func (s suite) neighbours(t *testing.T, addresses [2]netip.Addr) {
	const delay = 5 * time.Millisecond
	l := s.carryOn(t, NewStrangers(t, addresses), both(netem.Impairment{Delay: delay}))
	l.unseen = addresses[0].Is6() // group reports from before the link was carried
	d := l.NewDatagrams(t, 0)
	d.Send(t, 100)
	Until(t, "the datagram to arrive", func() bool { return d.count() > 0 })
	if a := d.Arrived()[0]; a.Took < 3*delay {
		t.Errorf("the first datagram took %v: a question, an answer and itself need %v", a.Took, 3*delay)
	}
	if in, back := l.Counters(1).In, l.Counters(0).In; in < 2 || back < 1 {
		t.Errorf("%d frames came in on the way to node 1 and %d back, want a question and the datagram, and an answer", in, back)
	}
	d.Send(t, 100)
	Until(t, "the second datagram", func() bool { return d.count() > 1 })
	ascending(t, d.Arrived(), 2)
}

func (s suite) down(t *testing.T) {
	const delay = 100 * time.Millisecond
	l := s.carry(t, IPv4, both(netem.Impairment{Delay: delay}))
	d := l.NewDatagrams(t, 0)
	d.Send(t, 100) // on its way when the link goes down
	if err := l.Set(1, netem.Impairment{Delay: delay, Down: true}); err != nil {
		t.Fatal(err)
	}
	d.Send(t, 100)
	if a := d.Settled(t, l, 1); len(a) != 0 {
		t.Errorf("through a link that is down came %+v", a)
	}
	l.droppedFor(t, netem.LinkDown)
	if err := l.Set(1, netem.Impairment{}); err != nil {
		t.Fatal(err)
	}
	d.Send(t, 100)
	if a := d.Settled(t, l, 1); len(a) != 1 || a[0].Number != 2 {
		t.Errorf("after the link was up again came %+v, want datagram 2", a)
	}
}

func (s suite) directions(t *testing.T) {
	const delay = 20 * time.Millisecond
	l := s.carry(t, IPv4, [2]netem.Impairment{0: {Delay: delay}, 1: {Loss: 1}})
	forth, back := l.NewDatagrams(t, 0), l.NewDatagrams(t, 1)
	for range 10 {
		forth.Send(t, 100)
		back.Send(t, 100)
	}
	if a := forth.Settled(t, l, 1); len(a) != 0 {
		t.Errorf("toward side 1, where all is lost, came %+v", a)
	}
	l.droppedFor(t, netem.Lost)
	a := back.Settled(t, l, 0)
	ascending(t, a, 10)
	if a[0].Took < delay {
		t.Errorf("toward side 0 it took %v, which is less than %v", a[0].Took, delay)
	}
}

func (s suite) flap(t *testing.T) {
	l := s.carry(t, IPv4, both(netem.Impairment{}))
	d := l.NewDatagrams(t, 1)
	d.Send(t, 100)
	d.Settled(t, l, 0)
	for _, up := range []bool{false, true} {
		if err := l.SetUp(0, up); err != nil {
			t.Fatal(err)
		}
	}
	l.unseen = true // what is sent before the kernel has noticed
	before := d.count()
	Until(t, "traffic to flow again", func() bool {
		d.Send(t, 100)
		return d.count() > before
	})
}

func (s suite) closing(t *testing.T) {
	l := s.carry(t, IPv4, both(netem.Impairment{Delay: 5 * time.Millisecond}))
	d := l.NewDatagrams(t, 0)
	for d.count() < 100 {
		d.Send(t, 100)
	}
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	c := l.Counters(1)
	if !atRest(c) {
		t.Errorf("closed with frames unaccounted for: %+v", c)
	}
	l.unseen = true
	for range 10 {
		d.Send(t, 100)
	}
	if after := l.Counters(1); after != c {
		t.Errorf("counters went from %+v to %+v after closing", c, after)
	}
	if _, err := l.Carry(l.Link(1, both(netem.Impairment{}))); err == nil {
		t.Error("a closed medium carries a link")
	}
}

func (s suite) refusal(t *testing.T) {
	l := s.carry(t, IPv4, both(netem.Impairment{}))
	wrong := netem.Impairment{Loss: 2}
	if err := l.Set(0, wrong); err == nil {
		t.Errorf("Set accepts %+v", wrong)
	}
	if err := l.Set(2, netem.Impairment{}); err == nil {
		t.Error("Set accepts side 2")
	}
	if _, err := l.Carry(l.Link(1, both(wrong))); err == nil {
		t.Errorf("Carry accepts %+v", wrong)
	}
	nowhere := l.Link(2, both(netem.Impairment{}))
	nowhere.Ends[1].Index = 4000
	if _, err := l.Carry(nowhere); err == nil {
		t.Error("Carry accepts an interface that is not there")
	}
}
