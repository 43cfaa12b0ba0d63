package kernel

import (
	"encoding/binary"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"testbed/observe"
)

// Change is a socket that went from one TCP state to another.
//
// The kernel's states differ from RFC 9293's at two points. A connection that
// a listener receives has no socket until the handshake is complete: its
// SYN-RECEIVED and ESTABLISHED come together, when the last ACK arrives. And
// a socket in TIME-WAIT is another object: the connection's own goes to
// CLOSED when TIME-WAIT begins.
type Change struct {
	// Time is when it happened, on CLOCK_REALTIME.
	Time time.Time
	// Netns is the inode number of the socket's network namespace.
	Netns uint64
	// Socket identifies the socket from its first state to CLOSED; the number is
	// used again afterwards.
	Socket uint64
	// Local and Remote are the socket's ends, with IPv4 addresses as such also
	// on an IPv6 socket. The kernel chooses a client's port after SYN-SENT, and
	// gives a server's socket its addresses after SYN-RECEIVED; Local and Remote
	// are complete in these changes only once the next one has happened.
	Local, Remote netip.AddrPort
	Old, New      observe.State
}

// states are by the kernel's numbers (include/net/tcp_states.h).
var states = [...]observe.State{
	1: observe.Established, 2: observe.SynSent, 3: observe.SynReceived, 4: observe.FinWait1, 5: observe.FinWait2, 6: observe.TimeWait,
	7: observe.Closed, 8: observe.CloseWait, 9: observe.LastAck, 10: observe.Listen, 11: observe.Closing, 12: observe.SynReceived,
}

func state(n uint32) observe.State {
	if int(n) < len(states) {
		return states[n]
	}
	return ""
}

// decode reads an event as the program wrote it.
func (t *Tracer) decode(b []byte) Change {
	o, c := t.offsets, b[evCommon:]
	change := Change{
		Time:   wall(binary.NativeEndian.Uint64(b[evTime:])),
		Netns:  uint64(binary.NativeEndian.Uint32(b[evNetns:])),
		Socket: binary.NativeEndian.Uint64(b[evSocket:]),
		Old:    state(binary.NativeEndian.Uint32(b[evOld:])),
		New:    state(binary.NativeEndian.Uint32(b[evNew:])),
	}
	local, remote := netip.AddrFrom4([4]byte(c[o.saddr:])), netip.AddrFrom4([4]byte(c[o.daddr:]))
	if binary.NativeEndian.Uint16(c[o.family:]) == unix.AF_INET6 {
		local, remote = netip.AddrFrom16([16]byte(c[o.saddr6:])).Unmap(), netip.AddrFrom16([16]byte(c[o.daddr6:])).Unmap()
	}
	port := binary.BigEndian.Uint16(b[evSport:])
	if port == 0 {
		port = binary.NativeEndian.Uint16(c[o.num:])
	}
	change.Local = netip.AddrPortFrom(local, port)
	change.Remote = netip.AddrPortFrom(remote, binary.BigEndian.Uint16(c[o.dport:]))
	return change
}

// wall converts CLOCK_MONOTONIC to CLOCK_REALTIME as they are to each other now.
func wall(ktime uint64) time.Time {
	best, offset := int64(1<<62), int64(0)
	for range 3 {
		var before, real, after unix.Timespec
		unix.ClockGettime(unix.CLOCK_MONOTONIC, &before)
		unix.ClockGettime(unix.CLOCK_REALTIME, &real)
		unix.ClockGettime(unix.CLOCK_MONOTONIC, &after)
		if d := after.Nano() - before.Nano(); d < best {
			best, offset = d, real.Nano()-before.Nano()-d/2
		}
	}
	return time.Unix(0, int64(ktime)+offset)
}

// keep records a change, and completes the one before it of the same socket.
func (t *Tracer) keep(c Change) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.before(c.Socket); p != nil && p.New == c.Old {
		switch {
		case c.Local.Port() == 0: // unbound before it was closed
			c.Local, c.Remote = p.Local, p.Remote
		case p.New == observe.SynSent, p.New == observe.SynReceived:
			p.Local, p.Remote = c.Local, c.Remote
		}
	}
	t.last[c.Socket] = t.changes.Mark()
	if c.New == observe.Closed {
		delete(t.last, c.Socket)
	}
	t.changes.Append(c)
	close(t.more)
	t.more = make(chan struct{})
}

// before is a live socket's last change, nil if it is not known.
func (t *Tracer) before(socket uint64) *Change {
	if i, ok := t.last[socket]; ok {
		return t.changes.At(i)
	}
	return nil
}
