package conformance

import (
	"encoding/binary"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tap sees the frames that a node sends, or those that it receives.
type tap struct {
	fd   int
	sent bool
}

// newTap opens a tap on node i that lasts as long as the test.
func (n *Network) newTap(tb testing.TB, i int, sent bool) *tap {
	tb.Helper()
	t := &tap{sent: sent}
	err := n.Nodes[i].Do(func() (err error) {
		t.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		device, err := net.InterfaceByName(Interface)
		if err != nil {
			return err
		}
		all := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
		return unix.Bind(t.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: device.Index})
	})
	tb.Cleanup(func() { unix.Close(t.fd) })
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// next is the next frame, for which it waits.
func (t *tap) next(tb testing.TB) []byte {
	tb.Helper()
	limit := unix.NsecToTimeval(int64(Patience))
	if err := unix.SetsockoptTimeval(t.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		tb.Fatal(err)
	}
	b := make([]byte, 64<<10)
	for began := time.Now(); ; {
		n, from, err := unix.Recvfrom(t.fd, b, 0)
		if err != nil && err != unix.EINTR || time.Since(began) > Patience {
			tb.Fatalf("waited in vain for a frame: %v", err)
		}
		link, ok := from.(*unix.SockaddrLinklayer)
		if ok && t.sent == (link.Pkttype == unix.PACKET_OUTGOING) {
			return b[:n]
		}
	}
}
