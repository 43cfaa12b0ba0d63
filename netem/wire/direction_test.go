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
		if d.queue.n > 0 && r.IntN(2) == 0 {
			d.leave()
		} else {
			d.enter(transit{copies: 1, order: r.Int64()}, r.Int64N(1000), 0)
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
		if d.queue.n == 0 {
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
	for i, c := range []struct {
		entered int64
		delay   time.Duration
		due     int64
	}{{100, 50, 150}, {110, 10, 150}, {150, 0, 150}, {160, 5, 165}} {
		d.enter(transit{frame: make([]byte, 100), order: int64(i), copies: 1 + i%2}, c.entered, c.delay)
		if got := d.queue.at(i).due; got != c.due {
			t.Errorf("frame %d is due at %d, want %d", i, got, c.due)
		}
	}
	if want := 4 * classes[0]; d.bytes != want {
		t.Errorf("%d bytes on their way, want %d", d.bytes, want)
	}
	for i, want := range []int64{0, -1, 1, 2, -1, 3} {
		frame, last := d.leave()
		if !last {
			frame.order = -1
		}
		if frame.order != want {
			t.Errorf("copy %d to leave is %d, want %d", i, frame.order, want)
		}
	}
	if d.bytes != 0 || d.queue.n != 0 {
		t.Errorf("%d bytes and %d frames are left", d.bytes, d.queue.n)
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

func TestDiceDrawTheSameForEachFrame(t *testing.T) {
	a, b := newDice(1, 2, 0, trafficStream), newDice(1, 2, 0, trafficStream)
	i := netem.Impairment{Delay: time.Second, Jitter: time.Millisecond, Loss: 0.5, Duplicate: 0.5}
	for n := range 1000 {
		if n%2 == 0 {
			b.roll(&netem.Impairment{})
			a.roll(&i)
		} else if x, y := a.roll(&i), b.roll(&i); x != y {
			t.Fatalf("fate %d is %+v and %+v", n, x, y)
		}
	}
}

func TestDiceOfNeighboursDiffer(t *testing.T) {
	seen := map[uint64]bool{}
	for seed := range uint64(8) {
		for link := range 8 {
			for to := range netem.Side(2) {
				for s := trafficStream; s <= upkeepStream; s++ {
					seen[newDice(seed, link, to, s).pcg.Uint64()] = true
				}
			}
		}
	}
	if want := 8 * 8 * 2 * 2; len(seen) != want {
		t.Errorf("%d different first draws, want %d", len(seen), want)
	}
}

func TestRollStaysWithinBounds(t *testing.T) {
	d := newDice(1, 1, 1, trafficStream)
	i := netem.Impairment{Delay: 10 * time.Millisecond, Jitter: 4 * time.Millisecond}
	low, high := time.Hour, time.Duration(0)
	for range 10000 {
		f := d.roll(&i)
		if f.lost || f.twice {
			t.Fatalf("%+v without loss and duplication", f)
		}
		low, high = min(low, f.delay), max(high, f.delay)
	}
	const near = 100 * time.Microsecond
	if low < 6*time.Millisecond || low > 6*time.Millisecond+near || high > 14*time.Millisecond || high < 14*time.Millisecond-near {
		t.Errorf("delays from %v to %v, want 6 ms to 14 ms", low, high)
	}
	if f := d.roll(&netem.Impairment{Jitter: time.Second, Loss: 1, Duplicate: 1}); !f.lost || !f.twice || f.delay < 0 {
		t.Errorf("%+v, though both are certain and no delay is negative", f)
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
				tally.add(netem.Counters{In: 1, Delivered: 1, Dropped: 1, Duplicated: 1})
			}
		}
	})
	for range 10000 {
		if c := tally.read(); c.In != c.Delivered || c.In != c.Dropped || c.In != c.Duplicated {
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
