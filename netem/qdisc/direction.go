package qdisc

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"testbed/netem"
)

// Streams of randomness of a direction; see netem.Seed.
const (
	pathStream = iota
	entryStream
)

// direction carries frames to one side of a link. Its segment's lock guards it.
type direction struct {
	segment *segment
	to      netem.Side
	// from is the ifindex of the inner end where frames come in.
	from int
	// entry and path are the netems that a frame meets first and last; there is an
	// entry if the direction is staged.
	entry, path emulator
	staged      bool
	// started is true once the filters at from are there.
	started bool
	// mtu and closed are what is set of an arrangement.
	mtu    uint32
	closed bool

	// duplicates is true once frames may have been duplicated.
	duplicates bool
	// before is what the interfaces had counted when the direction started, and last
	// what was told at last.
	before readings
	last   netem.Counters
}

// emulator is the netem at the egress of an interface.
type emulator struct {
	index int
	seed  uint64
	// spread is the distribution whose table it has, empty if it has none.
	spread netem.Distribution
}

func newDirection(s *segment, to netem.Side) *direction {
	seed := func(stream uint64) uint64 { return netem.Seed(s.medium.seed, s.link.ID, to, stream) }
	return &direction{
		segment: s, to: to, from: s.link.Ends[to.Other()].Index,
		path:  emulator{index: s.link.Ends[to].Index, seed: seed(pathStream)},
		entry: emulator{seed: seed(entryStream)},
	}
}

func (d *direction) conn() *conn { return d.segment.medium.conn }

// set changes what happens to frames. A direction that goes down closes before
// anything else changes, and one that comes up opens afterwards.
func (d *direction) set(i netem.Impairment) error {
	a := arrange(i, d.staged)
	steps := []func() error{
		func() error { return d.setMTU(a.mtu) },
		func() error { return d.setClosed(a.closed) },
		func() error { return d.emulate(&d.entry, &a.entry, i) },
		func() error { return d.emulate(&d.path, &a.path, i) },
	}
	if !a.closed {
		steps[0], steps[1], steps[2], steps[3] = steps[2], steps[3], steps[1], steps[0]
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	d.duplicates = d.duplicates || i.Duplicate > 0
	return nil
}

func (d *direction) setMTU(mtu uint32) error {
	was := d.mtu
	d.mtu = mtu
	if !d.started || was == mtu {
		return nil
	}
	return d.conn().setMTU(d.from, mtu)
}

// setClosed lets nothing that is on its way come out, or again.
//
//	tc qdisc add|del dev INDEX parent 1:1 blackhole
func (d *direction) setClosed(closed bool) error {
	if d.closed == closed {
		return nil
	}
	d.closed = closed
	c, index := d.conn(), d.path.index
	if !closed {
		if err := c.deleteQdisc(index, netemClass, 0); err != nil {
			return fmt.Errorf("open: %w", err)
		}
		return nil
	}
	if err := c.setQdisc(create, index, netemClass, 0, "blackhole", nil); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	q, err := c.readQdisc(index, netemClass)
	if err == nil && q.kind != "blackhole" {
		err = fmt.Errorf("the kernel made a %s of a blackhole", q.kind)
	}
	if err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}

// emulate changes a netem, without a gap for the frames in it, and compares what
// the kernel made of it.
//
//	tc qdisc change dev INDEX root handle 1: netem …
func (d *direction) emulate(e *emulator, p *parameters, i netem.Impairment) error {
	if p.limit == 0 {
		return nil // there is no entry
	}
	p.seed = e.seed
	if e.spread = e.next(p.jitter, i.Distribution); e.spread != "" {
		t := e.spread.Table()
		p.spread = &t
	}
	c := d.conn()
	if err := c.setQdisc(change, e.index, rootParent, netemHandle, "netem", p.encode()); err != nil {
		return fmt.Errorf("set netem: %w", err)
	}
	e.seed = 0 // its random numbers go on
	q, err := c.readQdisc(e.index, rootParent)
	if err != nil {
		return fmt.Errorf("read netem back: %w", err)
	}
	got, err := decode(q.options)
	if err == nil {
		err = p.differ(got)
	}
	if err != nil {
		return fmt.Errorf("set netem: %w", err)
	}
	return nil
}

// next is the distribution of which a netem needs a table: none for uniform jitter,
// unless it has another one's.
func (e *emulator) next(jitter time.Duration, want netem.Distribution) netem.Distribution {
	if want == "" {
		want = netem.Uniform
	}
	if jitter == 0 || e.spread == "" && want == netem.Uniform {
		return e.spread
	}
	return want
}

// redirector is the ifindex of where frames are sent on to the inner end that they
// leave from.
func (d *direction) redirector() int {
	if d.staged {
		return d.segment.pair[d.to]
	}
	return d.from
}

// start lets frames in. What the interfaces have counted before is not the link's.
func (d *direction) start() (err error) {
	to := d.path.index
	if d.staged {
		to = d.entry.index
	}
	c := d.conn()
	if d.before.out, err = c.readPort(d.path.index); err != nil {
		return fmt.Errorf("read counters: %w", err)
	}
	if d.before.in, err = c.readPort(d.from); err != nil {
		return fmt.Errorf("read counters: %w", err)
	}
	if err := c.addFilter(d.from, policing(d.from, d.mtu), redirection(d.from, to)); err != nil {
		return fmt.Errorf("add filter to %s: %w", d.segment.link.Ends[d.to.Other()].Interface, err)
	}
	d.started = true
	return nil
}

// stop lets no more frames in.
func (d *direction) stop() error {
	if err := d.conn().deleteFilters(d.from); !errors.Is(err, unix.ENODEV) {
		return err
	}
	return nil
}
