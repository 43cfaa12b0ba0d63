package raw

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"testbed/topo/netns"
)

// Receiver takes in the TCP segments that come from one address, and the ICMP
// errors about what was sent to it. What the kernel's TCP would discard for its
// checksum, it discards too. It is not safe for concurrent use.
type Receiver struct {
	v4          bool
	local, from netip.Addr
	file        *os.File
	conn        syscall.RawConn

	// buffer is as long as the longest segment, so that none is cut.
	buffer [64 << 10]byte
	oob    [512]byte
}

// Segment is a TCP segment that came, or, with ICMP set, the beginning of one
// that an ICMP error is about.
type Segment struct {
	// Local and Remote are the ports of the own and of the other end.
	Local, Remote uint16
	Seq, Ack      uint32
	// Flags is the header's fourteenth byte; not known of an ICMP error.
	Flags uint8
	ICMP  *ICMP
}

// ICMP is an ICMP or ICMPv6 error.
type ICMP struct {
	Type, Code uint8
	From       netip.Addr
}

// NewReceiver opens a socket in a namespace. The caller closes it. Where the
// namespace has no route to the address, the error wraps the kernel's errno.
func NewReceiver(ns *netns.NS, from netip.Addr) (*Receiver, error) {
	r := &Receiver{v4: from.Is4(), from: from}
	fd := -1
	err := ns.Do(func() (err error) {
		if fd, err = Socket(r.v4, unix.IPPROTO_TCP); err != nil {
			return err
		}
		return r.attach(fd, from)
	})
	if err != nil {
		if fd >= 0 {
			unix.Close(fd)
		}
		return nil, err
	}
	r.file = os.NewFile(uintptr(fd), "raw")
	if r.conn, err = r.file.SyscallConn(); err != nil {
		return nil, errors.Join(err, r.file.Close())
	}
	return r, nil
}

// attach connects the socket, which then has a source address and takes in what
// comes from the address alone, and asks for ICMP errors (IP_RECVERR in ip(7)).
func (r *Receiver) attach(fd int, from netip.Addr) error {
	var sa unix.Sockaddr = &unix.SockaddrInet6{Addr: from.As16()}
	level, option := unix.IPPROTO_IPV6, unix.IPV6_RECVERR
	if r.v4 {
		sa, level, option = &unix.SockaddrInet4{Addr: from.As4()}, unix.IPPROTO_IP, unix.IP_RECVERR
	}
	if err := unix.SetsockoptInt(fd, level, option, 1); err != nil {
		return fmt.Errorf("ask for ICMP errors: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20); err != nil {
		return fmt.Errorf("enlarge receive buffer: %w", err)
	}
	if err := unix.Connect(fd, sa); err != nil {
		return fmt.Errorf("connect raw socket to %s: %w", from, err)
	}
	own, err := unix.Getsockname(fd)
	if err != nil {
		return fmt.Errorf("read source address: %w", err)
	}
	switch own := own.(type) {
	case *unix.SockaddrInet4:
		r.local = netip.AddrFrom4(own.Addr)
	case *unix.SockaddrInet6:
		r.local = netip.AddrFrom16(own.Addr)
	}
	return nil
}

// Local is the source address that the kernel chose for what goes to the other
// end.
func (r *Receiver) Local() netip.Addr { return r.local }

// Close releases the socket.
func (r *Receiver) Close() error { return r.file.Close() }

// Receive hands segments that have come to take, those that came before a moment in
// any case, and waits for one at most until then. The error is the testbed's own or the context's.
func (r *Receiver) Receive(ctx context.Context, until time.Time, take func(Segment)) error {
	if err := r.file.SetReadDeadline(until); err != nil {
		return fmt.Errorf("wait for segments: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { r.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var failed error
	err := r.conn.Read(func(fd uintptr) bool {
		some := false
		some, failed = r.drain(int(fd), take)
		return some || failed != nil
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		// What has come until then may still be unread.
		err = r.conn.Control(func(fd uintptr) { _, failed = r.drain(int(fd), take) })
	}
	return errors.Join(err, failed)
}

// atOnce bounds what drain reads, so that who sends without end does not keep it.
const atOnce = 4096

// drain reads what is there, and tells whether there was something.
func (r *Receiver) drain(fd int, take func(Segment)) (some bool, err error) {
	for _, flags := range []int{unix.MSG_ERRQUEUE, 0} {
		for range atOnce {
			n, oob, _, _, err := unix.Recvmsg(fd, r.buffer[:], r.oob[:], flags)
			switch {
			case errors.Is(err, unix.EAGAIN):
			case errors.Is(err, unix.EINTR):
				continue
			case err != nil && flags == 0:
				// The errno of an ICMP error, whose message is in the other queue.
				some = true
				continue
			case err != nil:
				return some, fmt.Errorf("receive: %w", err)
			default:
				some = true
				if s, ok := r.parse(r.buffer[:n], r.oob[:oob], flags != 0); ok {
					take(s)
				}
				continue
			}
			break
		}
	}
	return some, nil
}

// parse reads a segment. An IPv4 socket has its IP header before it (raw(7)), but
// not in what an ICMP error quotes.
func (r *Receiver) parse(b, oob []byte, quoted bool) (s Segment, ok bool) {
	if r.v4 && !quoted && len(b) > 0 {
		b = b[min(int(b[0]&0xf)*4, len(b)):]
	}
	if len(b) < 8 {
		return s, false
	}
	first, second := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	s.Seq = binary.BigEndian.Uint32(b[4:])
	if quoted {
		s.Local, s.Remote = first, second
		s.ICMP = extended(oob)
		return s, s.ICMP != nil
	}
	if !r.sound(b) {
		return s, false
	}
	s.Local, s.Remote = second, first
	s.Ack, s.Flags = binary.BigEndian.Uint32(b[8:]), b[13]
	return s, true
}

// sound tells whether a segment's checksum is right, which the kernel does not
// verify before a raw socket has the segment. What never leaves the kernel, as on the
// loopback interface or between interfaces that offload checksums, has none yet:
// in its place is the sum of the pseudo header (CHECKSUM_PARTIAL in
// include/linux/skbuff.h), and the kernel takes the rest for undamaged. A raw
// socket is not told which of the two it is, so that either is right; what a link
// has damaged looks like the latter once in 65536 times.
func (r *Receiver) sound(b []byte) bool {
	if len(b) < tcpMinimum {
		return false
	}
	src, dst := r.from.AsSlice(), r.local.AsSlice()
	return checksum(src, dst, b) == 0 || binary.BigEndian.Uint16(b[16:]) == fold(pseudo(src, dst, len(b)))
}

// The layout of struct sock_extended_err, after which comes the address of who
// sent the error (include/uapi/linux/errqueue.h).
const (
	errOrigin   = 4
	errType     = 5
	errCode     = 6
	errOffender = 16
)

// extended reads the control message that comes with an ICMP error, nil for
// another one.
func extended(oob []byte) *ICMP {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	for _, m := range messages {
		d := m.Data
		if len(d) < errOffender+8 || d[errOrigin] != unix.SO_EE_ORIGIN_ICMP && d[errOrigin] != unix.SO_EE_ORIGIN_ICMP6 {
			continue
		}
		e := &ICMP{Type: d[errType], Code: d[errCode]}
		switch from := d[errOffender:]; {
		case binary.NativeEndian.Uint16(from) == unix.AF_INET:
			e.From = netip.AddrFrom4([4]byte(from[4:8]))
		case binary.NativeEndian.Uint16(from) == unix.AF_INET6 && len(from) >= 24:
			e.From = netip.AddrFrom16([16]byte(from[8:24]))
		}
		return e
	}
	return nil
}
