package qdisc

import (
	"github.com/vishvananda/netlink/nl"

	"testbed/netem"
)

// readings are all that the kernel counts of a direction.
type readings struct {
	// in and out are the inner ends, gate and path what frames meet there. entry,
	// exit and between are those of the pair, if the direction is staged.
	in, out, between        port
	gate, path, entry, exit queue
	// failures is how often no frame could be handed to the inner end, and overflows
	// how often the entry took none.
	failures, overflows uint32
}

// read reads the counters from the way out to the way in, so that a frame that
// moves on meanwhile is not counted twice.
func (d *direction) read() (r readings, err error) {
	c := d.conn()
	if r.out, err = c.readPort(d.path.index); err != nil {
		return r, err
	}
	if r.path, err = c.readQdisc(d.path.index, rootParent); err != nil {
		return r, err
	}
	if _, r.failures, err = c.readAction("mirred", d.redirector(), nl.TCA_MIRRED_PARMS); err != nil {
		return r, err
	}
	if d.staged {
		if r.exit, err = c.readQdisc(d.redirector(), clsactParent); err != nil {
			return r, err
		}
		if r.between, err = c.readPort(d.entry.index); err != nil {
			return r, err
		}
		if r.entry, err = c.readQdisc(d.entry.index, rootParent); err != nil {
			return r, err
		}
		if _, r.overflows, err = c.readAction("mirred", d.from, nl.TCA_MIRRED_PARMS); err != nil {
			return r, err
		}
	}
	if r.gate, err = c.readQdisc(d.from, clsactParent); err != nil {
		return r, err
	}
	r.in, err = c.readPort(d.from)
	return r, err
}

// sum adds up what the kernel counts one by one. It counts no duplicates: they are
// what came out beyond what went in. Nor does it count the frames that an interface
// threw away with its queue when it lost its carrier (dev_deactivate in
// net/sched/sch_generic.c), or refused because its queue was not there yet: where
// that has happened, they are what is nowhere else.
func (r *readings) sum(before *readings, duplicates bool) netem.Counters {
	n := netem.Counters{
		In:         r.in.received - before.in.received,
		Delivered:  r.out.sent - before.out.sent,
		Dropped:    r.out.refused - before.out.refused + r.between.refused,
		Overflowed: uint64(r.overflows), // an entry drops silently what it loses
		Reordered:  uint64(r.path.requeues),
	}
	for _, q := range []*queue{&r.gate, &r.entry, &r.exit, &r.path} {
		n.Dropped += uint64(q.drops)
	}
	waiting := uint64(r.entry.waiting) + uint64(r.path.waiting)
	switch out := n.Delivered + n.Dropped + waiting; {
	case out > n.In && duplicates:
		n.Duplicated = out - n.In
	case out < n.In && (r.failures > 0 || r.out.failures != before.out.failures):
		n.Dropped += n.In - out
	}
	return n
}

// count is what has crossed so far, or had when it could last be read.
func (d *direction) count() netem.Counters {
	if !d.segment.closed {
		if r, err := d.read(); err == nil {
			d.last = r.sum(&d.before, d.duplicates)
		}
	}
	return d.last
}

// settle counts what was on its way, and was thrown away, as dropped.
func (d *direction) settle() {
	if out, err := d.conn().readPort(d.path.index); err == nil {
		d.last.Delivered = out.sent - d.before.out.sent
	}
	if all := d.last.In + d.last.Duplicated; all >= d.last.Delivered {
		d.last.Dropped = all - d.last.Delivered
	}
}
