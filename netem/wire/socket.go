package wire

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// bufferSize is what the socket buffers are asked to hold; without
// CAP_NET_ADMIN the kernel gives net.core.rmem_max and wmem_max at most.
const bufferSize = 32 << 20

// option is an integer socket option that must succeed.
type option struct {
	name              string
	level, opt, value int
}

var socketOptions = []option{
	// The checksum and segmentation that is still to do travels with the frame,
	// in both directions.
	{"PACKET_VNET_HDR", unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1},
	{"PACKET_AUXDATA", unix.SOL_PACKET, unix.PACKET_AUXDATA, 1},
	{"PACKET_IGNORE_OUTGOING", unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1},
	{"SO_TIMESTAMPNS", unix.SOL_SOCKET, unix.SO_TIMESTAMPNS_NEW, 1},
}

// openSocket opens a packet socket on the interface with that index in the
// thread's network namespace. The interface may be down; it carries frames as
// soon as it is up.
func openSocket(name string, index int) (int, error) {
	// Without a protocol the socket gets nothing before bind: no frame of
	// another interface.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open packet socket: %w", err)
	}
	if err := setUp(fd, name, index); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func setUp(fd int, name string, index int) error {
	for _, o := range socketOptions {
		if err := unix.SetsockoptInt(fd, o.level, o.opt, o.value); err != nil {
			return fmt.Errorf("set %s on %s: %w", o.name, name, err)
		}
	}
	enlarge(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF)
	enlarge(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF)
	all := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index}); err != nil {
		return fmt.Errorf("bind packet socket to %s (index %d): %w", name, index, err)
	}
	return nil
}

// enlarge gets the largest buffer that is allowed.
func enlarge(fd, force, ask int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, bufferSize) != nil {
		// The kernel clips what it does not allow, and has no other error here.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, ask, bufferSize)
	}
}

// running tells whether the interface is up and so is its peer.
func (r *ifreq) running(fd int) bool {
	_, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCGIFFLAGS, uintptr(unsafe.Pointer(r)))
	const up = unix.IFF_UP | unix.IFF_RUNNING
	return errno == 0 && r.flags&up == up
}

// carrier tells whether the peer is up, as ETHTOOL_GLINK does (linux/ethtool.h).
// It knows sooner than running, but waits for the kernel's configuration lock.
func (r *ifreq) carrier(fd int) bool {
	const linkState = 0xa
	value := struct{ command, data uint32 }{linkState, 0}
	request := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}{name: r.name, data: unsafe.Pointer(&value)}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	runtime.KeepAlive(&value)
	return errno == 0 && value.data != 0
}

// ifreq is struct ifreq of netdevice(7), for flags.
type ifreq struct {
	name  [unix.IFNAMSIZ]byte
	flags uint16
	_     [22]byte
}

func newIfreq(name string) ifreq {
	var r ifreq
	copy(r.name[:unix.IFNAMSIZ-1], name)
	return r
}
