// Package wire carries emulated links in user space: it takes the frames of one
// inner end from a packet socket, holds each for as long as it is on its way,
// and puts it out of the other. It needs nothing of the kernel but AF_PACKET
// (packet(7)), so it works where there is no sch_netem, and without root in a
// user namespace.
//
// A frame's time on its way counts from the kernel's receive stamp, so that the
// time until it is read adds nothing. Frames keep the checksum and segmentation
// offload that they came with: what the sender's kernel handed over as one
// super-segment is carried, lost or duplicated as one frame, and takes its turn at
// a rate as one. Only one that is corrupted is cut into the frames that it stands
// for.
//
// A frame that is down, too big or lost takes no turn. A fault takes its frames out
// of the order of the others, and what it holds back gets on its way as if it came
// in later. What has its turn draws its
// delay, keeps the order of the direction, unless it is to overtake, and leaves.
package wire

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"testbed/netem"
	"testbed/topo/netns"
)

// DefaultLimit is the memory, in bytes, that the frames on their way in one
// direction may take: enough for 1 Gbit/s over half a second.
const DefaultLimit = 64 << 20

// Options for New. The zero value is useful.
type Options struct {
	// Seed drives all that is left to chance. The same seed deals the same
	// fates to the same sequence of frames in each direction of each link. IP
	// traffic draws separately from the network's housekeeping (ARP, neighbour
	// discovery, group membership), so that the one does not depend on the other.
	Seed uint64
	// OnDrop, if not nil, is told of each frame that is dropped. It is called on
	// the thread that carries all frames: it must return within microseconds and
	// may keep the Drop. Frames that find their queue full are dropped with
	// netem.Overflow. Frames that the kernel dropped before the wire saw them
	// (netem.Overflow of the receive buffer, netem.Refused) have no Frame.
	OnDrop func(netem.Drop)
	// OnFault, if not nil, is told of each frame that a fault befell and did not
	// just drop, before the frame or an answer to it gets on its way. It is called
	// as OnDrop is, before it for the same frame.
	OnFault func(netem.Strike)
	// RealTime has the engine's thread be real-time (SCHED_FIFO) where it may: for
	// machines on which nothing else goes on and everything has to repeat, as it does
	// not depend then on how long other threads have run.
	RealTime bool
	// Limit is the memory, in bytes, that the frames on their way in one
	// direction may take, each rounded up to a buffer's size; what comes beyond
	// is dropped with netem.Overflow. Zero means DefaultLimit.
	Limit int
}

// Wire is a netem.Medium in user space. All its methods are safe for concurrent
// use.
type Wire struct {
	ether  *netns.NS
	seed   uint64
	engine *engine
	// stamps is nil where they can't be switched on; wait for stamping first.
	stamps   *stamps
	stamping chan struct{}

	mu     sync.Mutex
	closed bool
}

var _ netem.Medium = (*Wire)(nil)

// New starts a wire whose links are in ether, which must stay open until Close.
// GOMAXPROCS rises by two for each wire, since its thread keeps one of Go's processors
// even while it waits, and stays: the next wire takes over those of one that has closed.
func New(ether *netns.NS, o Options) (*Wire, error) {
	if o.Limit == 0 {
		o.Limit = DefaultLimit
	}
	e, err := newEngine(o)
	if err != nil {
		return nil, fmt.Errorf("start wire: %w", err)
	}
	keepPlace(+ownPlaces)
	go e.run()
	w := &Wire{ether: ether, seed: o.Seed, engine: e, stamping: make(chan struct{})}
	go w.stamp()
	return w, nil
}

// stamp switches kernel stamps on, while the caller does something else. Without
// them the wire works, but each frame's delay counts from when it is read.
func (w *Wire) stamp() {
	defer close(w.stamping)
	w.stamps, _ = switchOn()
}

// Carry begins to carry a link. An interface that is down carries frames once it
// is up. A link must not be carried twice. The error is an invalid impairment
// (see netem.Impairment.Validate), or what the kernel said of the sockets.
func (w *Wire) Carry(l netem.Link) (netem.Segment, error) {
	for side, i := range l.Toward {
		if err := i.Validate(); err != nil {
			return nil, fmt.Errorf("carry link %d toward %s: %w", l.ID, l.Ends[side].Node, err)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, fmt.Errorf("carry link %d: %w", l.ID, os.ErrClosed)
	}
	<-w.stamping
	fds, err := w.open(l)
	if err != nil {
		return nil, fmt.Errorf("carry link %d (%s – %s): %w", l.ID, l.Ends[0].Node, l.Ends[1].Node, err)
	}
	s := &segment{wire: w}
	for side := range s.toward {
		s.toward[side] = newDirection(w.seed, l, netem.Side(side), fds[side])
	}
	s.toward[0].back, s.toward[1].back = s.toward[1], s.toward[0]
	return s, w.engine.attach(l, fds, s.toward)
}

// open opens the sockets at both ends.
func (w *Wire) open(l netem.Link) (fds [2]int, err error) {
	err = w.ether.Do(func() error {
		for side, end := range l.Ends {
			if fds[side], err = openSocket(end.Interface, end.Index); err != nil {
				if side == 1 {
					unix.Close(fds[0])
				}
				return err
			}
		}
		return nil
	})
	return fds, err
}

// Close stops carrying every link; what is on its way is dropped with
// netem.Closed. It may be called more than once, and waits until nothing more is
// delivered and OnDrop is not called any more; OnDrop must not call it. A process
// that ends without Close ends much later: the kernel takes some 10 ms for each
// socket, which Close spends on all at once.
func (w *Wire) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	w.closed = true
	<-w.stamping
	w.engine.close()
	w.stamps.close()
	keepPlace(-ownPlaces)
	return nil
}

// segment is a link on a wire.
type segment struct {
	wire   *Wire
	toward [2]*direction
}

var errSide = errors.New("a link has sides 0 and 1")

// Set changes what happens to frames on their way to a side, from the frame on
// that the kernel receives after the call began.
func (s *segment) Set(to netem.Side, i netem.Impairment) error {
	if to != 0 && to != 1 {
		return fmt.Errorf("set impairment toward side %d: %w", to, errSide)
	}
	d := s.toward[to]
	if err := i.Validate(); err != nil {
		return fmt.Errorf("set impairment of link %d: %w", d.link, err)
	}
	d.set(i)
	return nil
}

// Counters tells what has crossed on the way to a side, 0 or 1, at one moment.
// They remain after Close.
func (s *segment) Counters(to netem.Side) netem.Counters { return s.toward[to].tally.read() }
