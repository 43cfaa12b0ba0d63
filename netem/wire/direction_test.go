package wire

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"testbed/netem"
)

func TestAgendaIsInOrderOfDueTimes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var a agenda
	all := make([]*direction, 50)
	for i := range all {
		all[i] = newDirection(0, netem.Link{ID: i}, 0, -1)
	}
	for range 5000 {
		d := all[r.IntN(len(all))]
		if d.n > 0 && r.IntN(2) == 0 {
			d.leave()
		} else {
			d.enter(transit{order: r.Int64()}, r.Int64N(1000), r.IntN(3) == 0)
		}
		a.update(d)
		check(t, a, all)
	}
}

// check compares the agenda with what is on its way.
func check(t *testing.T, a agenda, all []*direction) {
	t.Helper()
	n := 0
	for _, d := range all {
		if d.n == 0 {
			if d.place != -1 {
				t.Fatalf("an empty direction has place %d", d.place)
			}
			continue
		}
		n++
		if a[d.place] != d {
			t.Fatalf("place %d is another's", d.place)
		}
		if d.due < a[0].due || d.due == a[0].due && d.order < a[0].order {
			t.Fatalf("due %d is before the front's %d", d.due, a[0].due)
		}
	}
	if n != len(a) {
		t.Fatalf("%d directions in the agenda, want %d", len(a), n)
	}
}

func TestDirectionKeepsOrderAndAccountsMemory(t *testing.T) {
	d := newDirection(0, netem.Link{}, 1, -1)
	for i, c := range []struct{ asked, due int64 }{{150, 150}, {120, 150}, {150, 150}, {165, 165}} {
		d.enter(transit{frame: make([]byte, 100), order: int64(i)}, c.asked, false)
		if got := d.way.at(i).due; got != c.due {
			t.Errorf("frame %d is due at %d, want %d", i, got, c.due)
		}
	}
	if want := 4 * classes[0]; d.bytes != want {
		t.Errorf("%d bytes on their way, want %d", d.bytes, want)
	}
	for want := range int64(4) {
		if got := d.leave().order; got != want {
			t.Errorf("frame %d leaves in place %d", got, want)
		}
	}
	if d.bytes != 0 || d.n != 0 {
		t.Errorf("%d bytes and %d frames are left", d.bytes, d.n)
	}
}

func TestEarlyFramesOvertake(t *testing.T) {
	d := newDirection(0, netem.Link{}, 1, -1)
	for i, c := range []struct {
		due   int64
		early bool
	}{{100, false}, {200, false}, {110, true}, {105, true}, {200, true}, {300, false}} {
		d.enter(transit{order: int64(i)}, c.due, c.early)
	}
	// Those due at one time go in the order in which they came.
	want := []int64{0, 2, 3, 1, 4, 5}
	early := 0
	for i, order := range want {
		f, is := d.next(i, early)
		if f.order != order {
			t.Errorf("frame %d is in place %d, want %d", f.order, i, order)
		}
		if is {
			early++
		}
	}
	for i, order := range want {
		if d.order != order {
			t.Errorf("frame %d is planned for place %d, want %d", d.order, i, order)
		}
		if got := d.leave().order; got != order {
			t.Errorf("frame %d leaves in place %d, want %d", got, i, order)
		}
	}
}

func TestSettingAppliesFromItsTimeOn(t *testing.T) {
	old, young := netem.Impairment{Delay: 1}, netem.Impairment{Delay: 2}
	d := newDirection(0, netem.Link{Toward: [2]netem.Impairment{1: old}}, 1, -1)
	before := time.Now().UnixNano()
	d.set(young)
	after := time.Now().UnixNano()
	if got := *d.at(before - 1); got != old {
		t.Errorf("before the change: %+v", got)
	}
	if got := *d.at(after); got != young {
		t.Errorf("after the change: %+v", got)
	}
}

func TestClockDisbelievesStampsThatMakeNoSense(t *testing.T) {
	c := newClock()
	now := time.Now()
	mono := int64(now.Sub(c.base))
	for _, x := range []struct{ age, want time.Duration }{
		{time.Millisecond, time.Millisecond}, {0, 0}, {-time.Second, 0}, {time.Hour, 0},
	} {
		if got := c.at(now.Add(-x.age).UnixNano(), now); got != mono-int64(x.want) {
			t.Errorf("a stamp %v old counts as %v old", x.age, time.Duration(mono-got))
		}
	}
}

func TestTallyIsReadAtOneMoment(t *testing.T) {
	var tally tally
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				tally.add(netem.Counters{In: 1, Delivered: 1, Dropped: 1, Duplicated: 1, Overflowed: 1, Corrupted: 1, Reordered: 1})
			}
		}
	})
	for range 10000 {
		c := tally.read()
		if want := (netem.Counters{In: c.In, Delivered: c.In, Dropped: c.In, Duplicated: c.In, Overflowed: c.In, Corrupted: c.In, Reordered: c.In}); c != want {
			t.Fatalf("read %+v", c)
		}
	}
	close(stop)
	wg.Wait()
}

func TestPoolGivesBackWhatItGot(t *testing.T) {
	var p pool
	for c, size := range classes {
		b := p.get(c)
		if len(b) != size {
			t.Errorf("buffer of class %d has %d bytes, want %d", c, len(b), size)
		}
		p.put(b[:1])
		if again := p.get(c); &again[0] != &b[0] || len(again) != size {
			t.Errorf("class %d did not give the buffer back whole", c)
		}
		if class(size) != c {
			t.Errorf("%d bytes are of class %d, want %d", size, class(size), c)
		}
	}
	p.put(make([]byte, 300)) // not one of the pool's
	if got := p.get(1); len(got) != classes[1] {
		t.Errorf("the pool gave a buffer of %d bytes", len(got))
	}
}

func TestBudgetBoundsSpinning(t *testing.T) {
	var b budget
	spun, now := int64(0), int64(0)
	for now < int64(time.Second) {
		now += 10_000
		if b.open(now) {
			b.spend(lead)
			spun, now = spun+lead, now+lead
		}
	}
	if most := now/spinShare + spinMost; spun > most || spun < most/2 {
		t.Errorf("spun %v of %v", time.Duration(spun), time.Duration(now))
	}
}
