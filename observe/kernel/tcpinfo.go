package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"unsafe"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"testbed/observe"
)

// The part of a request and of an answer that asks for and holds a struct tcp_info
// (INET_DIAG_INFO in include/uapi/linux/inet_diag.h).
const (
	diagExtensions = 2
	diagInfo       = 2
)

// ErrNoSocket is that of Info for a connection that the kernel does not have.
var ErrNoSocket = errors.New("no such socket")

// Info is what the kernel knows of a connection (tcp(7), TCP_INFO), looked up by its
// two ends. What an older kernel does not tell is zero.
func (s *Sockets) Info(local, remote netip.AddrPort) (*unix.TCPInfo, error) {
	request, family := socketRequest(local, remote)
	request[diagExtensions] = 1 << (diagInfo - 1)
	answers, err := s.ask(0, request, family)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil, fmt.Errorf("ask for TCP_INFO of %s – %s: %w", local, remote, ErrNoSocket)
	case err != nil:
		return nil, fmt.Errorf("ask for TCP_INFO of %s – %s: %w", local, remote, err)
	}
	for _, m := range answers {
		if info := decodeInfo(m.Data); info != nil {
			return info, nil
		}
	}
	return nil, fmt.Errorf("ask for TCP_INFO of %s – %s: %w", local, remote, ErrNoSocket)
}

// decodeInfo finds the struct tcp_info of an answer, nil if there is none, or only a
// listener's.
func decodeInfo(answer []byte) *unix.TCPInfo {
	if len(answer) < diagAnswerBytes || state(uint32(answer[diagState])) == observe.Listen {
		return nil
	}
	attributes, err := netlink.UnmarshalAttributes(answer[diagAnswerBytes:])
	if err != nil {
		return nil
	}
	for _, a := range attributes {
		if a.Type == diagInfo {
			info := &unix.TCPInfo{}
			copy(unsafe.Slice((*byte)(unsafe.Pointer(info)), unsafe.Sizeof(*info)), a.Data)
			return info
		}
	}
	return nil
}
