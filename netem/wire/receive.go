package wire

import (
	"time"

	"golang.org/x/sys/unix"

	"testbed/netem"
)

// read takes a batch of frames in and sends on what needs not wait.
func (e *engine) read(p *port) {
	d := p.into
	n, errno := e.in.receive(p.fd, p.batch)
	if errno != 0 {
		e.receiveError(d, errno)
		return
	}
	now, size := time.Now(), 0
	for i := range n {
		frame, stamp, whole := e.in.frame(i)
		size += len(frame)
		e.admit(d, transit{frame: frame, slot: i}, stamp, whole, now)
	}
	e.agenda.update(d)
	for mono := e.clock.now(); d.queue.n > 0 && d.due <= mono; {
		e.flush(d, mono)
	}
	e.vacate(d)
	p.batch = batchSmall
	if size/n > largeFrame {
		p.batch = batchLarge
	}
	if n > 1 || size > largeFrame {
		e.overflow(p)
	}
}

// admit puts a frame on its way, or drops it.
func (e *engine) admit(d *direction, t transit, stamp int64, whole bool, now time.Time) {
	if stamp == 0 {
		stamp = now.UnixNano()
	}
	d.tally.add(netem.Counters{In: 1})
	f, cause := d.decide(t.frame, stamp)
	switch {
	case cause != "":
	case !whole:
		cause = netem.Refused
	case d.bytes+memory(len(t.frame)) > e.limit:
		cause = netem.Overflow
	}
	if cause != "" {
		e.report(d, t.frame, cause)
		return
	}
	t.copies = 1
	if f.twice {
		t.copies = 2
		d.tally.add(netem.Counters{Duplicated: 1})
	}
	e.order++
	t.order = e.order
	d.enter(t, e.clock.at(stamp, now), f.delay)
}

// vacate moves the frames that stay on their way out of the receive slots.
func (e *engine) vacate(d *direction) {
	for i := d.queue.n - 1; i >= 0; i-- {
		t := d.queue.at(i)
		if t.slot < 0 {
			return
		}
		if c := class(len(t.frame)); classes[c] == slotLen {
			e.in.refill(t.slot, e.pool.get(c))
		} else {
			b := e.pool.get(c)
			t.frame = b[:copy(b, t.frame)]
		}
		t.slot = -1
	}
}

// overflow reports the frames that did not fit the socket's receive buffer.
// There is nothing of them but their number. The buffer can only have been full
// if there was more than a single frame to read.
func (e *engine) overflow(p *port) {
	for range overflowed(p.fd, &e.stats) {
		p.into.tally.add(netem.Counters{In: 1})
		e.report(p.into, nil, netem.Overflow)
	}
}

// receiveError handles what receive may return in place of frames.
func (e *engine) receiveError(d *direction, errno unix.Errno) {
	if errno != unix.EINVAL {
		// EAGAIN, or ENETDOWN once after the interface went down; the socket
		// goes on by itself when it is up again.
		return
	}
	// A super-segment that struct virtio_net_hdr has no name for, such as one of
	// a tunnel; the kernel has dropped it.
	d.tally.add(netem.Counters{In: 1})
	e.report(d, nil, netem.Refused)
}
