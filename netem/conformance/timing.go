package conformance

import (
	"math"
	"testing"
	"time"

	"testbed/netem"
)

// The delays of all distributions are measured at once, since it takes time for
// one frame to be on its way alone: were it to wait for the one before, its delay
// would not be its own.
const (
	// flows of each kind, one in each direction of a link, send so many datagrams
	// each, a spacing apart.
	flows, rounds = 16, 128
	jitter        = 4 * time.Millisecond
	meanDelay     = 20 * time.Millisecond
	spacing       = 9 * jitter // more than between the shortest and the longest
	correlation   = 0.8
)

// kind is an impairment whose delays are measured.
type kind struct {
	name string
	i    netem.Impairment
	// took are the times on the way, by flow.
	took [][]time.Duration
}

func kinds() []*kind {
	spread := func(d netem.Distribution, rho float64) netem.Impairment {
		return netem.Impairment{Delay: meanDelay, Jitter: jitter, Distribution: d, JitterCorrelation: rho}
	}
	return []*kind{
		{name: "no jitter", i: netem.Impairment{Delay: meanDelay}},
		{name: "jitter by default", i: spread("", 0)},
		{name: "normal jitter", i: spread(netem.Normal, 0)},
		{name: "Pareto jitter", i: spread(netem.Pareto, 0)},
		{name: "Pareto-normal jitter", i: spread(netem.ParetoNormal, 0)},
		{name: "correlated jitter", i: spread(netem.Normal, correlation)},
	}
}

// delays measures how long frames are on their way.
func (s suite) delays(t *testing.T) {
	all := kinds()
	s.measure(t, all)
	// Frames without jitter tell how late this machine is today.
	var late []int64
	for _, flow := range all[0].took {
		for _, took := range flow {
			late = append(late, int64(took-meanDelay))
		}
	}
	most := time.Duration(quantile(late, 0.95))
	for n, k := range all {
		t.Run(k.name, func(t *testing.T) {
			switch {
			case k.took == nil:
				t.Skip("the medium refuses it, as it has to")
			case n == 0:
				s.punctual(t, late)
			default:
				s.spread(t, k, most)
			}
		})
	}
}

// punctual checks that no frame is early, and half of them not late.
func (s suite) punctual(t *testing.T, late []int64) {
	least, half := time.Duration(quantile(late, 0)), time.Duration(quantile(late, 0.5))
	t.Logf("frames are late by %v at least, %v in the median, %v in 95 of 100 cases",
		least, half, time.Duration(quantile(late, 0.95)))
	if least < 0 {
		t.Errorf("a frame is early by %v", -least)
	}
	if half > s.lateness() {
		t.Errorf("half of the frames are late by more than %v, at most %v is allowed", half, s.lateness())
	}
}

// spread compares jitters with their distribution, when one frame in 20 is later
// than late.
func (s suite) spread(t *testing.T, k *kind, late time.Duration) {
	const tardiness = 0.05 + 0.03 // the share, and what that may be out by
	d := k.i.Distribution
	var jitters []float64
	same, pairs := 0, 0
	for _, flow := range k.took {
		x := make([]float64, len(flow))
		for i, took := range flow {
			x[i] = float64(took-meanDelay) / float64(jitter)
		}
		inFlow, ofFlow := agreement(x)
		same, pairs, jitters = same+inFlow, pairs+ofFlow, append(jitters, x...)
	}
	if least, bound := quantile(jitters, 0), d.Quantile(0); least < bound-1./netem.DistScale {
		t.Errorf("a frame took %.4f jitters less than the delay, at most %.4f is possible", -least, -bound)
	}
	if k.i.JitterCorrelation == 0 {
		early, tardy := departure(jitters, d, float64(late)/float64(jitter))
		t.Logf("departs from %q by %.3f and %.3f, the bound is %.3f", d, early, tardy, band(len(jitters)))
		if bound := band(len(jitters)); early > bound || tardy > bound+tardiness {
			t.Errorf("departs from %q by %.3f and %.3f, at most %.3f and %.3f is allowed", d, early, tardy, bound, bound+tardiness)
		}
	}
	if d != netem.Normal { // of the others, 0 is not the median
		return
	}
	got, want := float64(same)/float64(pairs), agreementOf(k.i.JitterCorrelation)
	// Neighbouring pairs share a frame: correlated ones count as a quarter.
	if margin := 2 * sigmas * math.Sqrt(want*(1-want)/float64(pairs)); math.Abs(got-want) > margin {
		t.Errorf("a share of %.3f of neighbours is on the same side of the mean, want %.3f ± %.3f", got, want, margin)
	}
}

// flow is datagrams of one kind in one direction.
type flow struct {
	*Datagrams
	*link
	to netem.Side
	k  *kind
}

// measure fills in how long frames took, where the medium does not refuse.
func (s suite) measure(t *testing.T, all []*kind) {
	first := NewNetwork(t, IPv4)
	d := &drops{causes: map[netem.Cause]int{}}
	m := s.medium(t, first, d)
	var senders []flow
	for _, k := range all {
		if s.refuses(k.i) {
			t.Run(k.name+" is refused", func(t *testing.T) { s.join(t, m, d, first.Another(t), len(senders), both(k.i)) })
			continue
		}
		for range flows / 2 {
			l := s.join(t, m, d, first.Another(t), len(senders), both(k.i))
			for side := range netem.Side(2) {
				senders = append(senders, flow{l.NewDatagrams(t, int(side.Other())), l, side, k})
			}
		}
	}
	paced(t, senders)
	for _, f := range senders {
		arrived := f.Settled(t, f.link, f.to)
		ascending(t, arrived, rounds)
		took := make([]time.Duration, len(arrived))
		for i, a := range arrived {
			took[i] = a.Took
		}
		f.k.took = append(f.k.took, took)
	}
}

// paced sends the datagrams of all flows, a part of the flows at a time, so that
// they are not late by each other. Between two of a flow there is a spacing at
// least.
func paced(t *testing.T, senders []flow) {
	const parts = 8
	for range rounds {
		for part := range parts {
			for i := part; i < len(senders); i += parts {
				senders[i].Send(t, 100)
			}
			time.Sleep(spacing / parts)
		}
	}
}

// ordered sends all at once what jitter would disorder.
func (s suite) ordered(t *testing.T) {
	const count = 300
	for _, d := range []netem.Distribution{netem.Uniform, netem.ParetoNormal} {
		l := s.carry(t, IPv4, both(netem.Impairment{Delay: 5 * time.Millisecond, Jitter: 5 * time.Millisecond, Distribution: d}))
		g := l.NewDatagrams(t, 0)
		for range count {
			g.Send(t, 100)
		}
		ascending(t, g.Settled(t, l, 1), count)
	}
}

// falling lowers the delay while frames are on their way.
func (s suite) falling(t *testing.T) {
	l := s.carry(t, IPv4, both(netem.Impairment{Delay: 50 * time.Millisecond}))
	d := l.NewDatagrams(t, 0)
	for range 50 {
		d.Send(t, 100)
	}
	if err := l.Set(1, netem.Impairment{}); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		d.Send(t, 100)
	}
	arrived := d.Settled(t, l, 1)
	ascending(t, arrived, 100)
	if took := arrived[49].Took; took < 50*time.Millisecond {
		t.Errorf("a datagram from before the change took %v", took)
	}
}
