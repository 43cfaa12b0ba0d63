package journey

import (
	"bytes"
	"math/bits"
	"slices"
	"time"

	"testbed/netem"
	"testbed/observe"
	"testbed/observe/decode"
)

// way is a direction of a link.
type way struct {
	link int
	to   netem.Side
}

func (k linkKey) way() way { return way{k.link, k.to} }

// lane are the packets of a direction that are alike by their headers.
type lane struct {
	// flying are on their way, the oldest first; last is the one that arrived last.
	flying []*replica
	last   crossing
}

func (t *tracer) laneOf(k linkKey) *lane {
	l := t.lanes[k]
	if l == nil {
		l = &lane{}
		t.lanes[k] = l
	}
	return l
}

// crossing is a copy of a packet that a link took: the frame, the packet in it,
// and what was wrong with it by then.
type crossing struct {
	copy   *replica
	lane   *lane
	frame  *observe.Frame
	packet *observe.Packet
	damage *damage
}

func (c *replica) crossing() crossing { return crossing{c, c.lane, c.frame, c.last.Packet, c.damage} }

// traffic is what a direction carries.
type traffic struct {
	way
	// entered are the copies on their way, among others that have left it.
	entered []*replica
	// crossed are those that arrived last.
	crossed []crossing
	// rate is the direction's, in bits a second; free is when everything that has
	// entered is sent at that rate, if none of it is lost.
	rate uint64
	free time.Time
}

// remembered is how many crossings of a direction are kept to find duplicates
// that were corrupted.
const remembered = 64

func (t *tracer) on(w way) *traffic {
	if t.traffic[w] == nil {
		t.traffic[w] = &traffic{way: w, rate: t.plan.Links[w.link].Toward[w.to].Rate}
	}
	return t.traffic[w]
}

// enter returns when the last bit of the frame is sent at the latest.
func (f *traffic) enter(c *replica) time.Time {
	if len(f.entered) == cap(f.entered) {
		f.entered = slices.Grow(f.underWay(), len(f.entered)+1)
	}
	f.entered = append(f.entered, c)
	if f.rate == 0 {
		return c.last.Time
	}
	if f.free.Before(c.last.Time) {
		f.free = c.last.Time
	}
	f.free = f.free.Add(netem.Serialization(f.rate, c.frame.Length))
	return f.free
}

// underWay forgets the copies that have left the direction and returns the rest.
func (f *traffic) underWay() []*replica {
	f.entered = slices.DeleteFunc(f.entered, func(c *replica) bool {
		return c.node >= 0 || c.fate != observe.Fate{} || c.last.Link != f.link || c.last.Side == f.to
	})
	return f.entered
}

func (f *traffic) cross(x crossing) {
	if len(f.crossed) == 2*remembered {
		f.crossed = append(f.crossed[:0], f.crossed[remembered:]...)
	}
	f.crossed = append(f.crossed, x)
}

// crossing finds what a frame was that comes out of a link, or is dropped by it,
// and whether that came out before. A frame that no other equals may be one with a
// flipped bit, of which what the packet says of itself may be wrong.
func (t *tracer) crossing(w way, f *observe.Frame, p *observe.Packet) (x crossing, again bool) {
	l := &lane{}
	if p != nil {
		if known := t.lanes[keyOnLink(w.link, w.to, p)]; known != nil {
			l = known
		}
	}
	if i := t.alike(w, l.flying, f); i >= 0 {
		return l.flying[i].crossing(), false
	}
	if l.last.copy != nil && same(l.last.frame, f) {
		return l.last, true
	}
	if x, again := t.flipped(w, f); x.copy != nil {
		return x, again
	}
	if len(l.flying) > 0 {
		return l.flying[0].crossing(), false
	}
	return l.last, true
}

// flipped finds the frame that differs from this one in a single bit.
func (t *tracer) flipped(w way, f *observe.Frame) (x crossing, again bool) {
	on := t.on(w)
	for _, c := range on.underWay() {
		if oneBit(c.frame, f) {
			return c.crossing(), false
		}
	}
	for _, x := range slices.Backward(on.crossed) {
		if oneBit(x.frame, f) {
			return x, true
		}
	}
	return crossing{}, false
}

// leave takes a copy off its link.
func (c *replica) leave() {
	switch i := slices.Index(c.lane.flying, c); {
	case i == 0:
		c.lane.flying = c.lane.flying[1:]
	case i > 0:
		c.lane.flying = slices.Delete(c.lane.flying, i, i+1)
	}
}

// common are the bytes of two frames that both records hold; it is false where
// the frames cannot be the same.
func common(a, b *observe.Frame) (x, y []byte, ok bool) {
	n := min(len(a.Data), len(b.Data))
	return a.Data[:n], b.Data[:n], a.Length == b.Length && n > 0
}

func same(a, b *observe.Frame) bool {
	x, y, ok := common(a, b)
	return ok && bytes.Equal(x, y)
}

// oneBit tells whether two frames differ in exactly one bit.
func oneBit(a, b *observe.Frame) bool {
	x, y, ok := common(a, b)
	if !ok {
		return false
	}
	n := 0
	for i := range x {
		if x[i] != y[i] {
			if n += bits.OnesCount8(x[i] ^ y[i]); n > 1 {
				return false
			}
		}
	}
	return n == 1
}

// damage is what is wrong with a copy since a link flipped a bit of it, and the
// fate that makes. None is nil.
type damage struct {
	fault decode.Fault
	fate  observe.Fate
}

// is tells whether there is damage of a kind.
func (d *damage) is(f decode.Fault) bool { return d != nil && d.fault == f }

// spoil compares what came out of a link with what it took.
func (t *tracer) spoil(x crossing, out *observe.Frame) *damage {
	if x.damage != nil || !oneBit(x.frame, out) {
		return x.damage
	}
	v := fault(x.frame, out)
	if v == decode.Sound {
		return nil
	}
	ends := t.plan.Topology.Links[out.Link].Ends
	drop := observe.Drop{Link: [2]string{ends[out.Side.Other()], ends[out.Side]}, Cause: observe.Corrupted, Fault: x.copy.corruptedBy}
	return &damage{v, observe.Fate{Drop: drop}}
}

// fault is what a flipped bit does to a frame. Where too little of it was
// recorded to verify its checksum, that is taken to be wrong.
func fault(in, out *observe.Frame) decode.Fault {
	const address = 6 // of the receiver, in the Ethernet header
	x, y, _ := common(in, out)
	if len(x) < address || !bytes.Equal(x[:address], y[:address]) {
		return decode.BadNetwork
	}
	if v := decode.Verify(*out); v != decode.Sound || len(out.Data) == out.Length {
		return v
	}
	return decode.BadTransport
}
