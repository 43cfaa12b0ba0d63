package capture

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	blockBytes = 64 << 10
	// dataOffset is where the kernel puts the network header of a slot, for
	// Ethernet 14 bytes more than where the frame begins (tpacket_rcv).
	dataOffset = 80
	// ahead is how many slots may be reserved by other CPUs that have not
	// filled them yet.
	ahead = 16
)

// ring is an AF_PACKET socket with a TPACKET_V2 receive ring (packet(7),
// Documentation/networking/packet_mmap.rst): the kernel writes frames to slots
// in turn, and the program gives each slot back.
type ring struct {
	fd       int
	memory   []byte
	slots    int
	perBlock int
	size     int // bytes of a slot
	at       int // the slot that is read next
}

// direction is which way a frame passed the inner end of a veth pair.
type direction int

const (
	neither direction = iota
	// fromNode is a frame that the node at the other end of the pair sent.
	fromNode
	// toNode is one that is delivered to it.
	toNode
)

// slot is a frame in the ring; its data is valid until release.
type slot struct {
	ifindex int
	pkttype uint8
	time    time.Time
	length  int
	data    []byte
}

func (s slot) direction() direction {
	switch s.pkttype {
	case unix.PACKET_OUTGOING:
		return toNode
	case unix.PACKET_HOST, unix.PACKET_BROADCAST, unix.PACKET_MULTICAST, unix.PACKET_OTHERHOST:
		return fromNode
	}
	return neither
}

// openRing makes a socket in the calling thread's namespace. It is bound to no
// protocol, so that nothing enters before listen.
func openRing(snap, bytes int) (*ring, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open packet socket: %w", err)
	}
	r := &ring{fd: fd, size: (dataOffset + snap + unix.TPACKET_ALIGNMENT - 1) &^ (unix.TPACKET_ALIGNMENT - 1)}
	if err := r.setUp(snap, bytes); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return r, nil
}

func (r *ring) setUp(snap, bytes int) error {
	if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V2); err != nil {
		return fmt.Errorf("choose TPACKET_V2: %w", err)
	}
	// With a socket that asks for stamps the kernel takes them where a frame
	// enters its queues (net_timestamp_check), without one where it reaches the
	// ring.
	if err := unix.SetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return fmt.Errorf("ask for time stamps: %w", err)
	}
	if err := attachSnap(r.fd, snap); err != nil {
		return err
	}
	block := blockBytes
	for block < r.size {
		block *= 2
	}
	blocks := (bytes + block - 1) / block
	r.perBlock = block / r.size
	r.slots = blocks * r.perBlock
	req := unix.TpacketReq{Block_size: uint32(block), Block_nr: uint32(blocks), Frame_size: uint32(r.size), Frame_nr: uint32(r.slots)}
	if err := unix.SetsockoptTpacketReq(r.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return fmt.Errorf("make a receive ring of %d bytes: %w", blocks*block, err)
	}
	m, err := unix.Mmap(r.fd, 0, blocks*block, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map the receive ring: %w", err)
	}
	r.memory = m
	return nil
}

// attachSnap attaches the filter "ret #snap", which cuts frames.
func attachSnap(fd, snap int) error {
	filter := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: uint32(snap)}
	prog := unix.SockFprog{Len: 1, Filter: &filter}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
		return fmt.Errorf("attach filter: %w", err)
	}
	return nil
}

// listen lets the frames of every interface and protocol in, both ways.
func (r *ring) listen() error {
	all := uint16(unix.ETH_P_ALL)<<8 | uint16(unix.ETH_P_ALL)>>8
	if err := unix.Bind(r.fd, &unix.SockaddrLinklayer{Protocol: all}); err != nil {
		return fmt.Errorf("bind packet socket: %w", err)
	}
	return nil
}

// slotAt is the i-th slot's memory.
func (r *ring) slotAt(i int) []byte {
	i %= r.slots
	off := i/r.perBlock*(len(r.memory)/(r.slots/r.perBlock)) + i%r.perBlock*r.size
	return r.memory[off : off+r.size]
}

func status(b []byte) *uint32 { return (*uint32)(unsafe.Pointer(&b[0])) }

func (r *ring) filled(i int) bool {
	return atomic.LoadUint32(status(r.slotAt(i)))&unix.TP_STATUS_USER != 0
}

// peek is the next frame, if there is one. CPUs fill the slots that they have
// reserved in any order; where a later slot is filled, peek waits the few
// microseconds until the next one is.
func (r *ring) peek() (slot, bool) {
	for !r.filled(r.at) {
		later := false
		for i := 1; i <= ahead && i < r.slots && !later; i++ {
			later = r.filled(r.at + i)
		}
		if !later {
			if r.filled(r.at) { // filled while the later ones were looked at
				break
			}
			return slot{}, false
		}
		runtime.Gosched()
	}
	b := r.slotAt(r.at)
	h := (*unix.Tpacket2Hdr)(unsafe.Pointer(&b[0]))
	from := (*unix.RawSockaddrLinklayer)(unsafe.Pointer(&b[(unix.SizeofTpacket2Hdr+unix.TPACKET_ALIGNMENT-1)&^(unix.TPACKET_ALIGNMENT-1)]))
	begin := min(int(h.Mac), len(b))
	return slot{
		ifindex: int(from.Ifindex), pkttype: from.Pkttype,
		time:   time.Unix(int64(h.Sec), int64(h.Nsec)),
		length: int(h.Len), data: b[begin:min(begin+int(h.Snaplen), len(b))],
	}, true
}

// release gives the slot that peek returned back to the kernel.
func (r *ring) release() {
	atomic.StoreUint32(status(r.slotAt(r.at)), unix.TP_STATUS_KERNEL)
	r.at = (r.at + 1) % r.slots
}

func (r *ring) unmap() error {
	if err := unix.Munmap(r.memory); err != nil {
		return fmt.Errorf("unmap the receive ring: %w", err)
	}
	return nil
}
