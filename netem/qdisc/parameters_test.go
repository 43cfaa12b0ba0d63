package qdisc

import (
	"math"
	"testing"
	"time"

	"testbed/netem"
)

func TestChance(t *testing.T) {
	for _, c := range []struct {
		p                 float64
		chance, threshold uint32
	}{
		{0, 0, 0},
		{1e-12, 0, 0},
		{1. / (1 << 32), 1, 1}, // more than asked, as 0 would be never
		{0.25, 1<<30 - 1, 1 << 30},
		{0.5, 1<<31 - 1, 1 << 31},
		{1, math.MaxUint32, math.MaxUint32},
	} {
		if got := chance(c.p); got != c.chance {
			t.Errorf("chance(%v) = %#x, want %#x", c.p, got, c.chance)
		}
		if got := threshold(c.p); got != c.threshold {
			t.Errorf("threshold(%v) = %#x, want %#x", c.p, got, c.threshold)
		}
	}
}

func TestArrange(t *testing.T) {
	const ms = time.Millisecond
	all := parameters{limit: room, rate: atOnce}
	with := func(change func(*parameters)) parameters {
		p := all
		change(&p)
		return p
	}
	for _, c := range []struct {
		name string
		i    netem.Impairment
		want arrangement
	}{
		{"nothing", netem.Impairment{}, arrangement{mtu: math.MaxUint32, path: all}},
		{"delay and jitter", netem.Impairment{Delay: 10 * ms, Jitter: ms}, arrangement{
			mtu: math.MaxUint32, path: with(func(p *parameters) { p.latency, p.jitter = 10*ms, ms }),
		}},
		{"mtu", netem.Impairment{MTU: 1000}, arrangement{mtu: 1014, path: all}},
		{"down", netem.Impairment{Delay: ms, MTU: 1000, Down: true}, arrangement{
			mtu: nothing, closed: true, path: with(func(p *parameters) { p.latency = ms }),
		}},
		{"loss", netem.Impairment{Loss: 0.5}, arrangement{
			mtu: math.MaxUint32, path: with(func(p *parameters) { p.loss = 1<<31 - 1 }),
		}},
		{"loss in bursts", netem.Impairment{Bursts: netem.GilbertElliott{ToBad: 0.25, ToGood: 0.5, LossBad: 1, LossGood: 0.125}}, arrangement{
			mtu: math.MaxUint32, path: with(func(p *parameters) { p.bursts = chain{1 << 30, 1 << 31, 0, 1 << 29} }),
		}},
		{"bursts that never begin", netem.Impairment{Bursts: netem.GilbertElliott{ToGood: 1, LossBad: 1, LossGood: 0.5}}, arrangement{
			mtu: math.MaxUint32, path: with(func(p *parameters) { p.loss = 1<<31 - 1 }),
		}},
		{"correlated loss", netem.Impairment{Loss: 0.5, LossCorrelation: 0.5}, arrangement{
			mtu: math.MaxUint32, path: with(func(p *parameters) { p.bursts = chain{1 << 30, 1 << 30, 0, 0} }),
		}},
		{"reorder", netem.Impairment{Delay: ms, Reorder: 0.5}, arrangement{
			mtu: math.MaxUint32, path: with(func(p *parameters) { p.latency, p.reorder = ms, 1<<31-1 }),
		}},
		{"duplicate", netem.Impairment{Duplicate: 1}, arrangement{
			mtu: math.MaxUint32, path: with(func(p *parameters) { p.duplicate = math.MaxUint32 }),
		}},
		{"duplicate and loss", netem.Impairment{Duplicate: 0.5, Loss: 0.5}, arrangement{
			mtu:   math.MaxUint32,
			entry: with(func(p *parameters) { p.loss = 1<<31 - 1 }),
			path:  with(func(p *parameters) { p.duplicate = 1<<31 - 1 }),
		}},
		{"rate", netem.Impairment{Delay: ms, Loss: 0.5, Rate: 8e6}, arrangement{
			mtu:   math.MaxUint32,
			entry: with(func(p *parameters) { p.loss, p.rate = 1<<31-1, 1e6 }),
			path:  with(func(p *parameters) { p.latency = ms }),
		}},
		{"queue", netem.Impairment{Rate: 1, Queue: netem.Queue{Frames: 10}, Duplicate: 0.5}, arrangement{
			mtu:   math.MaxUint32,
			entry: with(func(p *parameters) { p.duplicate, p.rate, p.limit = 1<<31-1, 1, 11 }),
			path:  all,
		}},
		{"a queue beyond all bounds", netem.Impairment{Rate: 8, Queue: netem.Queue{Frames: math.MaxInt - 1}}, arrangement{
			mtu: math.MaxUint32, entry: with(func(p *parameters) { p.rate = 1 }), path: all,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := arrange(c.i, staged(c.i)); got != c.want {
				t.Errorf("arrange() =\n%+v, want\n%+v", got, c.want)
			}
		})
	}
}

// Once a direction is staged it decides in the same places, whatever it does.
func TestArrangeStaged(t *testing.T) {
	got := arrange(netem.Impairment{Loss: 1, Delay: time.Second}, true)
	all := parameters{limit: room, rate: atOnce}
	want := arrangement{mtu: math.MaxUint32, entry: all, path: all}
	want.entry.loss, want.path.latency = math.MaxUint32, time.Second
	if got != want {
		t.Errorf("arrange() =\n%+v, want\n%+v", got, want)
	}
}
