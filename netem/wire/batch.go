package wire

import (
	"encoding/binary"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// slots is how many frames one call receives at most, and slotLen the room for
// each: the largest super-segment with its headers.
const (
	slots   = 32
	slotLen = 68 << 10
)

// batchLen is how many frames one call sends at most.
const batchLen = 64

// controlLen is the room for a stamp (32 bytes) and struct tpacket_auxdata (40).
const controlLen = 96

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
	_   [unsafe.Sizeof(uintptr(0)) - 4]byte
}

// The calls below never block, or are interrupted by the Go runtime's preemption
// signal. They are raw: the thread keeps its place in the Go scheduler, which
// may otherwise take milliseconds to give it back.

// inbox is the memory that frames are received in. Its pointers are in place
// once and for all; it must not move.
type inbox struct {
	hdrs    [slots]mmsghdr
	vecs    [slots]unix.Iovec
	bufs    [slots][]byte
	control [slots][controlLen]byte
}

// buffers are those of an inbox. They are most of what an engine allocates, so the
// next engine takes over those of one that has ended.
var buffers = sync.Pool{New: func() any {
	var all [slots][]byte
	for i := range all {
		all[i] = make([]byte, slotLen)
	}
	return &all
}}

// open gives every slot a buffer, close gives them up.
func (in *inbox) open() {
	for i, b := range buffers.Get().(*[slots][]byte) {
		in.refill(i, b)
	}
}

func (in *inbox) close() {
	all := in.bufs
	buffers.Put(&all)
}

// refill gives slot i a buffer of slotLen bytes.
func (in *inbox) refill(i int, b []byte) {
	in.bufs[i] = b
	in.vecs[i].Base = &b[0]
	in.vecs[i].SetLen(slotLen - vlanLen) // room for a tag that was taken off
}

// receive reads up to n frames.
func (in *inbox) receive(fd, n int) (int, unix.Errno) {
	for i := range n {
		h := &in.hdrs[i].hdr
		h.Iov = &in.vecs[i]
		h.SetIovlen(1)
		h.Control = &in.control[i][0]
		h.SetControllen(controlLen)
		h.Flags = 0
	}
	for {
		got, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&in.hdrs)), uintptr(n), unix.MSG_DONTWAIT, 0, 0)
		if errno != unix.EINTR {
			return int(got), errno
		}
	}
}

// frame is what slot i holds: the frame behind its virtio_net_hdr, when the
// kernel received it (CLOCK_REALTIME, ns; 0 if it does not say), and whether it
// is whole.
func (in *inbox) frame(i int) (b []byte, stamp int64, whole bool) {
	h := &in.hdrs[i]
	b = in.bufs[i][:h.n]
	aux := ancillary(in.control[i][:min(controlLen, int(h.hdr.Controllen))])
	if aux.tagged {
		b = putVLAN(b, aux.tpid, aux.tci)
	}
	return b, aux.stamp, h.hdr.Flags&unix.MSG_TRUNC == 0
}

// extra is what the kernel says beside a frame.
type extra struct {
	stamp     int64
	tagged    bool
	tpid, tci uint16
}

// ancillary parses control messages (cmsg(3)) by hand, as a frame must not cost
// an allocation.
func ancillary(b []byte) extra {
	x := extra{tpid: etherVLAN}
	const header = unix.SizeofCmsghdr
	for len(b) >= header {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		n := int(h.Len)
		if n < header || n > len(b) {
			break
		}
		x.take(h.Level, h.Type, b[header:n])
		b = b[min(len(b), (n+7)&^7):]
	}
	return x
}

func (x *extra) take(level, kind int32, data []byte) {
	ne := binary.NativeEndian
	switch {
	case level == unix.SOL_SOCKET && kind == unix.SO_TIMESTAMPNS_NEW && len(data) >= 16:
		x.stamp = int64(ne.Uint64(data))*1e9 + int64(ne.Uint64(data[8:]))
	case level == unix.SOL_PACKET && kind == unix.PACKET_AUXDATA && len(data) >= 20:
		status := ne.Uint32(data)
		x.tagged = status&unix.TP_STATUS_VLAN_VALID != 0
		x.tci = ne.Uint16(data[16:])
		if status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
			x.tpid = ne.Uint16(data[18:])
		}
	}
}

// outbox is the memory that frames are sent from.
type outbox struct {
	hdrs [batchLen]mmsghdr
	vecs [batchLen]unix.Iovec
	n    int
}

// add puts a frame behind the others; it returns false if there is no room.
func (out *outbox) add(frame []byte) bool {
	if out.n == batchLen {
		return false
	}
	v, h := &out.vecs[out.n], &out.hdrs[out.n].hdr
	v.Base = &frame[0]
	v.SetLen(len(frame))
	h.Iov = v
	h.SetIovlen(1)
	out.n++
	return true
}

// send sends the frames from index i on. It returns how many the kernel took,
// and why not the next one, if it took none.
func (out *outbox) send(fd, i int) (int, unix.Errno) {
	for {
		sent, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&out.hdrs[i])), uintptr(out.n-i), unix.MSG_DONTWAIT, 0, 0)
		if errno == 0 {
			return int(sent), 0
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

// overflowed is how many frames the kernel has dropped for want of room in the
// receive buffer since it was last asked (PACKET_STATISTICS, packet(7)).
func overflowed(fd int, into *unix.TpacketStats) int {
	size := uint32(unsafe.Sizeof(*into))
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS, uintptr(unsafe.Pointer(into)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0
	}
	return int(into.Drops)
}
