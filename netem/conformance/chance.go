package conformance

import (
	"math"
	"testing"
	"time"

	"testbed/netem"
)

// manner is a way to lose frames: the share that is lost, and of those after a
// lost one.
type manner struct {
	name        string
	i           netem.Impairment
	rate, again float64
}

var manners = []manner{
	{"loss has its rate", netem.Impairment{Loss: 0.2}, 0.2, 0.2},
	{
		"correlated loss has its rate and correlation",
		netem.Impairment{Loss: 0.2, LossCorrelation: 0.5}, 0.2, 0.2 + 0.5*0.8,
	},
	{
		"bursts have their rate and length",
		netem.Impairment{Bursts: netem.GilbertElliott{ToBad: 0.05, ToGood: 0.25, LossBad: 1}}, 0.05 / 0.3, 0.75,
	},
	{
		"bursts with some loss in both states have their rate and length",
		netem.Impairment{Bursts: netem.GilbertElliott{ToBad: 0.1, ToGood: 0.1, LossBad: 0.7, LossGood: 0.1}},
		0.4, (0.7*(0.9*0.7+0.1*0.1) + 0.1*(0.9*0.1+0.1*0.7)) / 0.8,
	},
}

// chances are the tests of what happens with some probability.
func (s suite) chances() []trial {
	var all []trial
	for _, m := range manners {
		all = append(all, trial{m.name, func(t *testing.T) { s.loss(t, m) }})
	}
	return append(all,
		trial{"duplicates have their rate", s.duplicateRate},
		trial{"nothing is lost with probability 0 and all with 1", s.certainty},
	)
}

// numbered sends datagrams and returns how often each arrived.
func numbered(t *testing.T, l *link, count int) []int {
	t.Helper()
	d := l.NewDatagrams(t, 0)
	for i := range count {
		d.Send(t, 64)
		if i%200 == 199 {
			d.Settled(t, l, 1)
		}
	}
	times := make([]int, count)
	arrived := d.Settled(t, l, 1)
	whole(t, arrived)
	for _, a := range arrived {
		times[a.Number]++
	}
	return times
}

// loss compares the share of frames that are lost, and of those that are lost
// after a lost one, with what is asked for.
func (s suite) loss(t *testing.T, m manner) {
	const count = 5000
	l := s.carry(t, IPv4, both(m.i))
	lost, twice := 0, 0
	before := false
	for _, n := range numbered(t, l, count) {
		if n == 0 {
			lost++
			if before {
				twice++
			}
		}
		before = n == 0
	}
	if c := l.Counters(1); c.Dropped != uint64(lost) {
		t.Errorf("%d datagrams did not arrive, and the counters are %+v", lost, c)
	}
	l.droppedFor(t, netem.Lost)
	near(t, "frames that are lost", lost, count, m.rate, inflation(m.i.Losses()))
	near(t, "frames that are lost after a lost one", twice, lost, m.again, 1)
}

// inflation is how many frames of a loss model are worth one independent one: the
// states of neighbours have the correlation 1-ToBad-ToGood.
func inflation(g netem.GilbertElliott) float64 {
	if g.ToBad == 0 {
		return 1
	}
	rho := 1 - g.ToBad - g.ToGood
	return (1 + rho) / (1 - rho)
}

// near checks that k of n is the share p, within the bounds of chance for n over
// inflation independent trials.
func near(t *testing.T, what string, k, n int, p, inflation float64) {
	t.Helper()
	margin := sigmas * math.Sqrt(p*(1-p)*inflation/float64(n))
	got := float64(k) / float64(n)
	t.Logf("%s: a share of %.4f, expected %.4f ± %.4f", what, got, p, margin)
	if math.Abs(got-p) > margin {
		t.Errorf("%s are a share of %.4f, want %.4f ± %.4f", what, got, p, margin)
	}
}

func (s suite) duplicateRate(t *testing.T) {
	const count, p = 3000, 0.3
	l := s.carry(t, IPv4, both(netem.Impairment{Duplicate: p}))
	twice := 0
	for number, n := range numbered(t, l, count) {
		switch n {
		case 1:
		case 2:
			twice++
		default:
			t.Fatalf("datagram %d arrived %d times", number, n)
		}
	}
	if c := l.Counters(1); c.Duplicated != uint64(twice) {
		t.Errorf("%d datagrams arrived twice, and the counters are %+v", twice, c)
	}
	near(t, "frames that arrive twice", twice, count, p, 1)
}

func (s suite) certainty(t *testing.T) {
	l := s.carry(t, IPv4, both(netem.Impairment{Delay: time.Microsecond}))
	for number, n := range numbered(t, l, 1000) {
		if n != 1 {
			t.Fatalf("datagram %d arrived %d times", number, n)
		}
	}
	if err := l.Set(1, netem.Impairment{Loss: 1}); err != nil {
		t.Fatal(err)
	}
	d := l.NewDatagrams(t, 0)
	for range 100 {
		d.Send(t, 64)
	}
	Until(t, "all to be lost", func() bool { return l.Counters(1).Dropped == 100 })
	if d.count() > 0 {
		t.Errorf("%d datagrams arrived though all are to be lost", d.count())
	}
}

func (s suite) duplicates(t *testing.T) {
	l := s.carry(t, IPv4, both(netem.Impairment{Delay: time.Millisecond, Duplicate: 1}))
	d := l.NewDatagrams(t, 0)
	for range 100 {
		d.Send(t, 100)
	}
	arrived := d.Settled(t, l, 1)
	if len(arrived) != 200 {
		t.Fatalf("%d datagrams arrived, want 200", len(arrived))
	}
	for i, a := range arrived {
		if a.Number != i/2 {
			t.Fatalf("datagram %d arrived in place %d, want each twice in a row", a.Number, i)
		}
	}
	if c := l.Counters(1); c != (netem.Counters{In: 100, Delivered: 200, Duplicated: 100}) {
		t.Errorf("counters are %+v", c)
	}
}
