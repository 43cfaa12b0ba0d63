package conformance

import (
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"testbed/netem"
)

// singles are the tests of faults that befall single packets.
func (s suite) singles() []trial {
	return []trial{
		{"a fault drops what it picks", s.drops},
		{"a fault holds back what others pass", s.holds},
		{"a fault sends an old duplicate", s.oldDuplicate},
		{"what a fault corrupts no socket gets", s.spoils},
		{"faults count on while they stay", s.counting},
		{"a fault resets a connection over IPv4", func(t *testing.T) { s.resets(t, IPv4) }},
		{"a fault resets a connection over IPv6", func(t *testing.T) { s.resets(t, IPv6) }},
		{"a fault refuses a connection over IPv4", func(t *testing.T) { s.turnsAway(t, IPv4) }},
		{"a fault refuses a connection over IPv6", func(t *testing.T) { s.turnsAway(t, IPv6) }},
	}
}

// nth picks UDP datagrams by their numbers.
func nth(low, high int) netem.Pick {
	return netem.Pick{Proto: "udp", Nth: netem.Range{Limited: true, Min: low, Max: high}}
}

// faulty carries a link toward node 1 with a delay and faults.
func (s suite) faulty(t *testing.T, addresses [2]netip.Addr, delay time.Duration, list ...netem.Fault) *link {
	t.Helper()
	faults := netem.Faults(list)
	return s.carry(t, addresses, [2]netem.Impairment{{Delay: delay}, {Delay: delay, Faults: &faults}})
}

func numbers(arrived []Arrival) (all []int) {
	for _, a := range arrived {
		all = append(all, a.Number)
	}
	return all
}

func (s suite) drops(t *testing.T) {
	l := s.faulty(t, IPv4, 0, netem.Fault{Name: "some", Pick: nth(2, 4), Do: netem.DropPacket}, netem.Fault{Name: "one", Pick: nth(6, 6), Do: netem.DropPacket})
	d := l.NewDatagrams(t, 0)
	for range 8 {
		d.Send(t, 100)
	}
	if got, want := numbers(d.Settled(t, l, 1)), []int{0, 4, 6, 7}; !slices.Equal(got, want) {
		t.Errorf("%v arrived, want %v", got, want)
	}
	l.droppedFor(t, netem.Faulted)
}

func (s suite) holds(t *testing.T) {
	const delay, by = 50 * time.Millisecond, 300 * time.Millisecond
	l := s.faulty(t, IPv4, delay, netem.Fault{Name: "late", Pick: nth(1, 1), Do: netem.DelayPacket, By: by})
	d := l.NewDatagrams(t, 0)
	for range 3 {
		d.Send(t, 100)
	}
	arrived := d.Settled(t, l, 1)
	if got, want := numbers(arrived), []int{1, 2, 0}; !slices.Equal(got, want) {
		t.Fatalf("%v arrived, want %v", got, want)
	}
	for i, least := range []time.Duration{delay, delay, delay + by} {
		if arrived[i].Took < least {
			t.Errorf("datagram %d took %v, want at least %v", arrived[i].Number, arrived[i].Took, least)
		}
	}
}

func (s suite) oldDuplicate(t *testing.T) {
	const by = 200 * time.Millisecond
	l := s.faulty(t, IPv4, 0, netem.Fault{Name: "old", Pick: nth(1, 1), Do: netem.DuplicatePacket, By: by}, netem.Fault{Name: "twice", Pick: nth(3, 3), Do: netem.DuplicatePacket})
	d := l.NewDatagrams(t, 0)
	for range 3 {
		d.Send(t, 100)
	}
	arrived := d.Settled(t, l, 1)
	if got, want := numbers(arrived), []int{0, 1, 2, 2, 0}; !slices.Equal(got, want) {
		t.Fatalf("%v arrived, want %v", got, want)
	}
	whole(t, arrived)
	if took := arrived[4].Took; took < by {
		t.Errorf("the old duplicate took %v, want at least %v", took, by)
	}
	if c := l.Counters(1); c.Duplicated != 2 {
		t.Errorf("the counters are %+v, want 2 duplicated", c)
	}
}

func (s suite) spoils(t *testing.T) {
	l := s.faulty(t, IPv4, 0, netem.Fault{Name: "bit", Pick: nth(2, 2), Do: netem.CorruptPacket})
	d := l.NewDatagrams(t, 0)
	for range 3 {
		d.Send(t, 100)
	}
	Until(t, "the datagrams to have crossed", func() bool { c := l.Counters(1); return c.In == 3 && atRest(c) && d.count() >= 2 })
	if got, want := numbers(d.Arrived()), []int{0, 2}; !slices.Equal(got, want) {
		t.Errorf("%v arrived, want %v", got, want)
	}
	if c := l.Counters(1); c.Corrupted != 1 || c.Delivered != 3 {
		t.Errorf("the counters are %+v, want 1 corrupted of 3 delivered", c)
	}
}

// counting gives the link the same faults once more, which go on counting, and then
// other ones, which begin.
func (s suite) counting(t *testing.T) {
	second := netem.Faults{{Name: "second", Pick: nth(2, 2), Do: netem.DropPacket}}
	l := s.faulty(t, IPv4, 0, second...)
	d := l.NewDatagrams(t, 0)
	faults := second
	for _, i := range []netem.Impairment{{Faults: &faults}, {Faults: &faults, Delay: time.Millisecond}, {}} {
		if err := l.Set(1, i); err != nil {
			t.Fatal(err)
		}
		d.Send(t, 100)
		d.Settled(t, l, 1)
	}
	if got, want := numbers(d.Arrived()), []int{0, 2}; !slices.Equal(got, want) {
		t.Errorf("%v arrived, want %v", got, want)
	}
}

// resets resets a connection at the first data, which both ends notice.
func (s suite) resets(t *testing.T, addresses [2]netip.Addr) {
	data := netem.Pick{Flags: 0x10, Payload: netem.Range{Limited: true, Min: 1, Max: 1 << 20}}
	l := s.faulty(t, addresses, time.Millisecond, netem.Fault{Name: "censor", Pick: data, Do: netem.ResetConnection})
	l.cut = true // the RSTs are more than was sent
	conns, err := l.Connect()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conns[0].Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	for i, c := range conns {
		defer c.Close()
		c.SetReadDeadline(time.Now().Add(Patience))
		if n, err := c.Read(make([]byte, 10)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("node %d read %d bytes, %v, want ECONNRESET", i, n, err)
		}
	}
	l.droppedFor(t, netem.Faulted)
}

// turnsAway answers a SYN in the server's name, and then only the SYN-ACK in the
// client's.
func (s suite) turnsAway(t *testing.T, addresses [2]netip.Addr) {
	l := s.faulty(t, addresses, time.Millisecond, netem.Fault{Name: "syn", Pick: netem.Pick{Flags: 0x02}, Do: netem.ResetConnection})
	l.cut = true
	if _, err := l.Connect(); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the SYN was reset: %v, want ECONNREFUSED", err)
	}
	synAck := netem.Faults{{Name: "syn-ack", Pick: netem.Pick{Flags: 0x12}, Do: netem.ResetConnection, Answer: netem.ResetReceiver}}
	if err := errors.Join(l.Set(1, netem.Impairment{}), l.Set(0, netem.Impairment{Faults: &synAck})); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Connect(); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the SYN-ACK was reset: %v, want ECONNREFUSED", err)
	}
}
