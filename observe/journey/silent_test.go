package journey_test

import (
	"slices"
	"testing"
	"time"

	"testbed/netem"
	"testbed/observe"
	"testbed/observe/journey"
)

// Of a medium that does not tell of each drop, what a link is asked to do and has
// counted is what a lost packet died of.
func TestSilentLink(t *testing.T) {
	const ms = time.Millisecond
	bursts := netem.GilbertElliott{ToBad: 0.1, ToGood: 0.2, LossBad: 1}
	for _, c := range []struct {
		name    string
		i       netem.Impairment
		counted journey.Count
		until   time.Duration // after the packet was sent
		want    string
	}{
		{"loss", netem.Impairment{Loss: 0.5}, journey.Count{Dropped: 1}, ms, "loss"},
		{"a burst", netem.Impairment{Bursts: bursts}, journey.Count{Dropped: 1}, ms, string(observe.Burst)},
		{"too long", netem.Impairment{MTU: 30, Loss: 0.5}, journey.Count{Dropped: 1}, ms, "mtu"},
		{"long enough", netem.Impairment{MTU: 1000, Loss: 0.5}, journey.Count{Dropped: 1}, ms, "loss"},
		{"a full queue", netem.Impairment{Rate: 1e6, Queue: netem.Queue{Frames: 1}}, journey.Count{Dropped: 1, Overflowed: 1}, ms, "queue-full"},
		{"a queue that was not full", netem.Impairment{Rate: 1e6, Queue: netem.Queue{Frames: 1}, Loss: 0.5}, journey.Count{Dropped: 3}, ms, "loss"},
		{"a queue that was full, and no loss", netem.Impairment{Rate: 1e6, Queue: netem.Queue{Frames: 1}, Loss: 0.5}, journey.Count{Dropped: 3, Overflowed: 3}, ms, "queue-full"},
		{"both", netem.Impairment{Rate: 1e6, Queue: netem.Queue{Frames: 1}, Loss: 0.5}, journey.Count{Dropped: 3, Overflowed: 2}, ms, "unknown"},
		{"neither", netem.Impairment{}, journey.Count{}, ms, "unknown"},
		{"down", netem.Impairment{Loss: 0.5, Down: true}, journey.Count{Dropped: 1}, ms, "link-down"},
		{"on its way", netem.Impairment{Delay: 10 * ms, Loss: 0.5}, journey.Count{}, ms, "pending"},
		{"overdue", netem.Impairment{Delay: 10 * ms, Loss: 0.5}, journey.Count{Dropped: 1}, 2 * time.Second, "loss"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := chain()
			n.Links[0].Toward[1] = c.i
			r := newRecord(t, n)
			r.leave("client", "fw", r.syn())
			sent := r.now
			r.input.Until = sent.Add(c.until)
			if c.want != "pending" && c.until == ms {
				c.counted.AtRest = r.input.Until
			}
			r.input.Counts = make([][2]journey.Count, 2)
			r.input.Counts[0][1] = c.counted
			want := "SYN client dead on client>fw: " + c.want
			if c.want == "pending" {
				want = "SYN client pending"
			}
			if got := r.describe(r.trace())[0]; got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

// A packet that entered after the link was seen at rest may be on its way.
func TestSilentLinkSinceAtRest(t *testing.T) {
	r := newRecord(t, chain())
	r.input.Counts = make([][2]journey.Count, 2)
	r.input.Counts[0][1].AtRest = r.tick()
	r.leave("client", "fw", r.syn())
	r.input.Until = r.now
	if got := r.describe(r.trace())[0]; got != "SYN client pending" {
		t.Error(got)
	}
}

// Of two equal packets the one is delivered that may have arrived by then: without
// timestamps, a SYN that is sent again is the same.
func TestSilentLinkTellsRepeatedPacketsApart(t *testing.T) {
	const ms = time.Millisecond
	n := chain()
	n.Links[0].Toward[1] = netem.Impairment{Delay: 10 * ms, Loss: 0.5}
	for _, c := range []struct {
		name          string
		again, arrive time.Duration // after the first was sent
		want          []string
	}{
		{"the first was lost", 1000 * ms, 1015 * ms, []string{"SYN client dead on client>fw: loss", "SYN again client>fw>server delivered"}},
		{"the second is too young", 5 * ms, 14 * ms, []string{"SYN client>fw>server delivered", "SYN again client dead on client>fw: loss"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRecord(t, n)
			s := r.syn()
			r.leave("client", "fw", s)
			first := r.now
			r.now = first.Add(c.again - ms)
			r.leave("client", "fw", s)
			r.now = first.Add(c.arrive - ms)
			r.arrive("client", "fw", s)
			r.pass("fw", "server", s.hop(1))
			r.input.Until = r.now.Add(time.Second)
			r.input.Counts = make([][2]journey.Count, 2)
			r.input.Counts[0][1] = journey.Count{AtRest: r.input.Until, Dropped: 1}
			if got := r.describe(r.trace()); !slices.Equal(got, c.want) {
				t.Errorf("got\n%q, want\n%q", got, c.want)
			}
		})
	}
}
