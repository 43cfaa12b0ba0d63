package conformance

import (
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"testbed/netem"
)

// both is the same impairment in both directions.
func both(i netem.Impairment) [2]netem.Impairment { return [2]netem.Impairment{i, i} }

// link is a network whose link is carried.
type link struct {
	*Network
	netem.Medium
	netem.Segment
	*drops
	// before are the frames that the nodes' interfaces had sent and received when
	// the link was not yet carried.
	before [2]struct{ sent, received uint64 }
	// unseen says that the link has not taken in all that the nodes sent, cut that
	// it may have cut super-segments.
	unseen, cut bool
}

// drops notes what a medium reports as dropped.
type drops struct {
	sync.Mutex
	causes map[netem.Cause]int
}

func (d *drops) note(x netem.Drop) {
	d.Lock()
	defer d.Unlock()
	d.causes[x.Cause]++
}

func (d *drops) all() map[netem.Cause]int {
	d.Lock()
	defer d.Unlock()
	all := map[netem.Cause]int{}
	for cause, n := range d.causes {
		all[cause] = n
	}
	return all
}

// carry makes a network whose link is carried, and checks in the end that nothing
// went uncounted.
func (s suite) carry(t *testing.T, addresses [2]netip.Addr, toward [2]netem.Impairment) *link {
	t.Helper()
	return s.carryOn(t, NewNetwork(t, addresses), toward)
}

func (s suite) carryOn(t *testing.T, n *Network, toward [2]netem.Impairment) *link {
	t.Helper()
	d := &drops{causes: map[netem.Cause]int{}}
	return s.join(t, s.medium(t, n, d), d, n, 0, toward)
}

// medium opens the medium in a network's ether.
func (s suite) medium(t *testing.T, n *Network, d *drops) netem.Medium {
	t.Helper()
	m, err := s.open(n.Ether, d.note)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// join makes the medium carry a network's link. Where it has to refuse, the test
// ends here.
func (s suite) join(t *testing.T, m netem.Medium, d *drops, n *Network, id int, toward [2]netem.Impairment) *link {
	t.Helper()
	l := &link{Network: n, Medium: m, drops: d}
	for i := range n.Nodes {
		l.before[i].sent, l.before[i].received = n.frames(t, i)
	}
	seg, err := m.Carry(n.Link(id, toward))
	if s.refuses(toward[0]) || s.refuses(toward[1]) {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Fatalf("carry %+v: %v, want a refusal", toward, err)
		}
		t.Skipf("the medium refuses, as it has to: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	l.Segment = seg
	t.Cleanup(func() {
		if !t.Failed() {
			s.accounts(t, l)
		}
	})
	return l
}

func (s suite) refuses(i netem.Impairment) bool { return s.Refuses != nil && s.Refuses(i) }

// accounts waits until nothing is on its way, and checks that every frame is
// counted once: what a node sent came in, and what was delivered the other node
// received.
func (s suite) accounts(t *testing.T, l *link) {
	t.Helper()
	for to := range netem.Side(2) {
		var c netem.Counters
		var sent, received uint64
		fits := func() bool {
			c = l.Counters(to)
			sent, _ = l.frames(t, int(to.Other()))
			_, received = l.frames(t, int(to))
			sent, received = sent-l.before[to.Other()].sent, received-l.before[to].received
			all := sent == c.In || l.unseen && sent >= c.In || l.cut && sent <= c.In
			return atRest(c) && all && received == c.Delivered
		}
		for began := time.Now(); !fits(); time.Sleep(5 * time.Millisecond) {
			if time.Since(began) > Patience {
				t.Fatalf("toward side %d the counters are %+v, though %d frames were sent and %d received", to, c, sent, received)
			}
		}
		if s.Untold.Corrupted && c.Corrupted > 0 || s.Untold.Reordered && c.Reordered > 0 {
			t.Errorf("toward side %d the counters are %+v, which the medium can't tell", to, c)
		}
	}
	s.reported(t, l)
}

// reported checks that each drop was reported.
func (s suite) reported(t *testing.T, l *link) {
	t.Helper()
	dropped, reported := l.Counters(0).Dropped+l.Counters(1).Dropped, 0
	for _, n := range l.all() {
		reported += n
	}
	if uint64(reported) != dropped && !s.Untold.Drops {
		t.Errorf("%d drops are counted, and reported are %v", dropped, l.all())
	}
}

// droppedFor checks that no drop was reported for another cause.
func (l *link) droppedFor(t *testing.T, cause netem.Cause) {
	t.Helper()
	for c := range l.all() {
		if c != cause {
			t.Errorf("frames were dropped for %v, want %s alone", l.all(), cause)
		}
	}
}
