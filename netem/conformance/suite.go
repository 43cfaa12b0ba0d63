// Package conformance is what every netem.Medium has to pass: real traffic of
// the kernel's own stack, carried between two network namespaces. It is one table
// of impairments for every medium and for every clock, so that where two media
// differ, one of them fails.
//
// What is left to chance is judged by bounds that a correct medium exceeds less
// than once in 10^8 runs; what takes time, by statistics that a few late frames
// cannot spoil.
package conformance

import (
	"slices"
	"testing"
	"time"

	"testbed/netem"
	"testbed/topo/netns"
)

// Open makes the medium under test. It may call onDrop for the frames it drops,
// from any goroutine.
type Open func(ether *netns.NS, onDrop func(netem.Drop)) (netem.Medium, error)

// Options say what a medium can do and tell. The zero value is that of one that
// can do and tells everything, on any clock.
type Options struct {
	// Virtual says that the clock goes on only while something happens, so that no
	// other program makes a frame late.
	Virtual bool
	// Refuses, if not nil, tells which impairments the medium can't bring about.
	// Run then checks that it says so, in place of what it does.
	Refuses func(netem.Impairment) bool
	// Bucket is how many frames a transmitter may be ahead of its rate: a token
	// bucket holds one frame at least, and may hold a part of the next.
	Bucket int
	// Untold are counters and reports that the medium can't give.
	Untold Untold
}

// Untold names what a medium can't tell. A counter that it can't tell must be 0.
type Untold struct {
	Corrupted, Reordered bool
	// Drops says that frames may be dropped without a call of onDrop.
	Drops bool
}

// Run runs the suite. It needs a process that may make network namespaces; see
// sandbox.TestMain.
func Run(t *testing.T, open Open, o Options) {
	s := suite{open, o}
	for _, c := range s.cases() {
		t.Run(c.name, c.test)
	}
}

type suite struct {
	open Open
	Options
}

// lateness is the most by which half of all frames may be late.
func (s suite) lateness() time.Duration {
	if s.Virtual {
		return 50 * time.Microsecond
	}
	return 500 * time.Microsecond
}

// trial is a test with a name.
type trial struct {
	name string
	test func(*testing.T)
}

func (s suite) cases() []trial {
	all := []trial{
		{"delays are as asked", s.delays},
		{"jitter keeps the order", s.ordered},
		{"a falling delay keeps the order", s.falling},
		{"duplicates follow at once", s.duplicates},
		{"frames that reorder overtake", s.reorder},
		{"one bit of a corrupted frame is wrong", s.corrupt},
		{"no socket gets what is corrupted", s.checksums},
		{"a rate is kept", s.rate},
		{"a queue of frames is bounded", func(t *testing.T) { s.queue(t, netem.Queue{Frames: waiting}) }},
		{"a queue of bytes is bounded", func(t *testing.T) { s.queue(t, netem.Queue{Bytes: waiting * rateFrame}) }},
		{"what is on its way takes no place in the queue", s.delayedQueue},
		{"what exceeds the MTU vanishes over IPv4", func(t *testing.T) { s.mtu(t, IPv4, 20+8) }},
		{"what exceeds the MTU vanishes over IPv6", func(t *testing.T) { s.mtu(t, IPv6, 40+8) }},
		{"neighbours are found by ARP", func(t *testing.T) { s.neighbours(t, IPv4) }},
		{"neighbours are found by neighbour discovery", func(t *testing.T) { s.neighbours(t, IPv6) }},
		{"a link that is down carries nothing", s.down},
		{"directions differ", s.directions},
		{"an interface may go down and up", s.flap},
		{"settings change under a stream", s.change},
		{"settings change under datagrams", s.churn},
		{"closing stops the traffic", s.closing},
		{"impairments that make no sense are refused", s.refusal},
	}
	return slices.Concat(s.streams(), s.chances(), s.singles(), all)
}
