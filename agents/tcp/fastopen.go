package tcp

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// MaxFastOpen bounds what Options.FastOpen holds, in bytes, so that it fits into a SYN
// on any link of Ethernet's size.
const MaxFastOpen = 1000

// connectWith begins to connect and to send data at once (TCP Fast Open, RFC 7413;
// MSG_FASTOPEN in tcp(7)). sent is how much the SYN takes along: all of it where the
// kernel has a cookie of the server's, and else nothing, and the SYN asks for one.
func connectWith(fd int, to netip.AddrPort, data []byte) (sent int, errno unix.Errno) {
	sent, err := unix.SendmsgN(fd, data, nil, sockaddr(to), unix.MSG_FASTOPEN)
	if err == nil {
		return sent, unix.EINPROGRESS
	}
	return 0, errnoOf(err)
}

// open begins to connect, and returns what of the data is still to be sent once that
// has succeeded.
func open(fd int, to netip.AddrPort, data []byte) (rest []byte, errno unix.Errno) {
	if len(data) == 0 {
		return nil, connect(fd, to)
	}
	sent, errno := connectWith(fd, to, data)
	return data[sent:], errno
}

// writeRest sends what no SYN took along. A connection that has ended meanwhile shows
// that to whoever uses it next.
func writeRest(fd int, rest []byte) error {
	if len(rest) == 0 {
		return nil
	}
	_, err := unix.Write(fd, rest)
	if errno := errnoOf(err); err == nil || errno == unix.EPIPE || errors.Is(errno, unix.ECONNRESET) {
		return nil
	}
	return fmt.Errorf("send what the SYN did not take along: %w", err)
}
