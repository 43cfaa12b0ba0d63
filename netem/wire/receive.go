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
		if stamp == 0 {
			stamp = now.UnixNano()
		}
		e.admit(d, arrival{transit{frame: frame, slot: i}, stamp, e.clock.at(stamp, now), whole})
	}
	e.agenda.update(d)
	for mono := e.clock.now(); !d.idle() && d.due <= mono; {
		e.flush(d, mono)
	}
	e.vacate(&d.way)
	e.vacate(&d.early)
	p.batch = batchSmall
	if size/n > largeFrame {
		p.batch = batchLarge
	}
	if n > 1 || size > largeFrame {
		e.overflow(p)
	}
}

// vacate moves the frames that stay in a queue out of the receive slots.
func (e *engine) vacate(q *queue) {
	for i := q.n - min(q.n, q.fresh); i < q.n; i++ {
		t := q.at(i)
		if t.slot < 0 {
			continue
		}
		if c := class(len(t.frame)); classes[c] == slotLen {
			e.in.refill(t.slot, e.pool.get(c))
		} else {
			t.frame = e.copy(t.frame)
		}
		t.slot = -1
	}
	q.fresh = 0
}

// copy is a frame in a buffer of its own.
func (e *engine) copy(frame []byte) []byte {
	b := e.pool.get(class(len(frame)))
	return b[:copy(b, frame)]
}

// overflow reports the frames that did not fit the socket's receive buffer.
// There is nothing of them but their number. The buffer can only have been full
// if there was more than a single frame to read.
func (e *engine) overflow(p *port) {
	for range overflowed(p.fd, &e.stats) {
		p.into.tally.add(netem.Counters{In: 1})
		e.report(p.into, nil, netem.Overflow, "")
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
	e.report(d, nil, netem.Refused, "")
}
