// Package qdisc lets the kernel's network emulator, sch_netem (tc-netem(8)), carry
// links.
//
// What comes in at one inner end is redirected out of the other, whose root
// queueing discipline is a netem:
//
//	inner end            inner end
//	ingress:             egress:
//	  police (MTU)         netem (loss, duplicate, delay, jitter, reorder)
//	  redirect ──────────▶
//
// A netem with a delay can bound what is on its way and not what waits for its
// turn, and it delays frames before their turn. So a direction that ever has a rate
// is staged: a veth pair in the ether gives a place for a second netem, before the
// one with the delay.
//
//	inner end            pair                    pair          inner end
//	  police               netem (loss, rate,      redirect ─▶   netem (delay,
//	  redirect ──────────▶   limit, duplicate) ═▶                  jitter, reorder)
//
// With nothing but a rate a netem is an exact transmitter with a drop-tail queue:
// a frame is due one transmission time after the one before it, to the nanosecond
// and whenever the timer fires, and limit counts the frames that wait and the one
// that is being sent. sch_tbf lets a burst through at once that is at least a
// frame long, and so takes no time for the first. A link that both duplicates and
// loses is staged too, as one netem that does both does neither as asked: it
// sends a frame that is to be duplicated and lost, and draws anew for the copy.
//
// In both netems a rate keeps the order of frames, one at which no frame takes any
// time where none was asked for. On a machine with several processors one of them
// handles all frames of a direction.
//
// The kernel does not tell which frames it dropped; the counters say how many.
package qdisc

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"testbed/netem"
	"testbed/topo/netns"
	"testbed/topo/rtnl"
)

// Options for New. The zero value is useful.
type Options struct {
	// Seed drives loss, duplication, jitter and reordering, by the frame's place in
	// its direction, where the kernel's netem takes a seed (Linux 6.6). Of an older
	// one it has no say.
	Seed uint64
}

// Medium is the kernel's netem as a netem.Medium. All its methods are safe for
// concurrent use.
type Medium struct {
	ether *netns.NS
	seed  uint64
	conn  *conn
	// steering is used under mu.
	steering *steering

	mu sync.Mutex
	// links makes interfaces, under mu.
	links    *rtnl.Handle
	segments []*segment
	closed   bool
}

var _ netem.Medium = (*Medium)(nil)

// New returns a medium whose links are in ether, which must stay open until Close.
// Whether the kernel can do it, Supported tells.
func New(ether *netns.NS, o Options) (*Medium, error) {
	c, err := dial(ether)
	if err != nil {
		return nil, fmt.Errorf("use the kernel's netem: %w", err)
	}
	m := &Medium{ether: ether, seed: o.Seed, conn: c}
	if m.links, err = rtnl.Open(ether); err == nil {
		m.steering, err = newSteering(ether)
	}
	if err != nil {
		m.release()
		return nil, fmt.Errorf("use the kernel's netem: %w", err)
	}
	return m, nil
}

// Carry begins to carry a link. An interface that is down carries frames once it
// is up. A link must not be carried twice. The error is an invalid impairment (see
// netem.Impairment.Validate), one that the kernel's netem can't bring about (see
// Check), what the kernel said, or what it made of it in place of what was asked.
func (m *Medium) Carry(l netem.Link) (netem.Segment, error) {
	for side, i := range l.Toward {
		if err := errors.Join(i.Validate(), Check(i)); err != nil {
			return nil, fmt.Errorf("carry link %d toward %s: %w", l.ID, l.Ends[side].Node, err)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, fmt.Errorf("carry link %d: %w", l.ID, os.ErrClosed)
	}
	s := &segment{medium: m, link: l}
	if err := s.begin(); err != nil {
		return nil, fmt.Errorf("carry link %d (%s – %s): %w", l.ID, l.Ends[0].Node, l.Ends[1].Node, errors.Join(err, s.undo.run()))
	}
	m.segments = append(m.segments, s)
	return s, nil
}

// Close stops carrying every link; what is on its way is dropped. It may be called
// more than once, and waits until nothing more is delivered.
func (m *Medium) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	var errs []error
	for _, s := range m.segments {
		if err := s.end(); err != nil {
			errs = append(errs, fmt.Errorf("stop carrying link %d: %w", s.link.ID, err))
		}
	}
	return errors.Join(append(errs, m.release())...)
}

// release gives up what New opened.
func (m *Medium) release() error {
	m.conn.close()
	if m.links != nil {
		m.links.Close()
	}
	if m.steering != nil {
		return m.steering.close()
	}
	return nil
}

// undo is what takes back what was done, the last first.
type undo []func() error

func (u *undo) push(f func() error) { *u = append(*u, f) }

// run runs every step and joins the errors. What an interface that is gone by now
// took with it needs not be taken back.
func (u *undo) run() error {
	var errs []error
	for len(*u) > 0 {
		last := (*u)[len(*u)-1]
		*u = (*u)[:len(*u)-1]
		if err := last(); !errors.Is(err, unix.ENODEV) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
