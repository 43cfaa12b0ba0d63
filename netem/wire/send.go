package wire

import (
	"time"

	"golang.org/x/sys/unix"

	"testbed/netem"
)

const (
	// flushBytes bounds what one flush sends, for the sake of other directions.
	flushBytes = 256 << 10
	// retryAfter is when to try again after the kernel took no frame, and
	// patience how long it may go on like that before frames are dropped.
	retryAfter = int64(50 * time.Microsecond)
	patience   = int64(20 * time.Millisecond)
)

// flush sends some of what is due in a direction. Afterwards the direction is in
// the agenda at the time of what is left.
func (e *engine) flush(d *direction, now int64) {
	defer e.agenda.update(d)
	e.unhold(d, now)
	if d.setting.Load().Down || !e.open(d, now) {
		for d.n > 0 && d.due <= now {
			e.drop(d, netem.LinkDown)
		}
		return
	}
	e.collect(d, now)
	for i := 0; i < e.out.n; {
		sent, errno := e.out.send(d.fd, i)
		if errno != 0 {
			if e.stall(d, errno, now) {
				return
			}
			sent = 1
		} else {
			d.stalled = 0
			d.tally.add(netem.Counters{Delivered: uint64(sent)})
			for range sent {
				e.depart(d)
			}
		}
		i += sent
	}
}

// open tells whether the interface takes frames. The kernel would silently
// discard what is sent while the peer is down, and also for a moment after the
// peer came up. Frames wait for that moment.
func (e *engine) open(d *direction, now int64) bool {
	if d.out.running(d.fd) {
		d.shut = 0
		return true
	}
	if d.shut == 0 {
		d.shut = now
	}
	if now-d.shut < patience {
		d.postpone(now)
	}
	return false
}

// collect fills the outbox with what is due.
func (e *engine) collect(d *direction, now int64) {
	e.out.n = 0
	for i, j, size := 0, 0, 0; i < d.n && size < flushBytes; i++ {
		t, early := d.next(i, j)
		if t.due > now || !e.out.add(t.frame) {
			return
		}
		if early {
			j++
		}
		size += len(t.frame)
	}
}

// stall handles a frame that the kernel did not take: it says true if the frame
// is to be tried again, and else drops it.
func (e *engine) stall(d *direction, errno unix.Errno, now int64) bool {
	cause := netem.Refused
	switch errno {
	case unix.EAGAIN, unix.ENOBUFS, unix.ENOMEM:
		// The send buffer or the peer's backlog is full, or the peer went down just
		// now.
		if d.stalled == 0 {
			d.stalled = now
		}
		if now-d.stalled < patience {
			d.postpone(now)
			return true
		}
		cause = netem.Overflow
		if !d.out.carrier(d.fd) {
			cause = netem.LinkDown
		}
	case unix.ENETDOWN, unix.ENXIO, unix.ENODEV:
		cause = netem.LinkDown
	case unix.EMSGSIZE:
		cause = netem.TooBig
	}
	e.drop(d, cause)
	return false
}
