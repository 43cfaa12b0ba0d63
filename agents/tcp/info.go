package tcp

import (
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// Info is what the kernel knows of a connection (TCP_INFO, tcp(7)).
type Info struct {
	// RTO is the retransmission timeout as it is now, RTT the smoothed round-trip
	// time.
	RTO, RTT time.Duration
	// BackedOff is true while something waits to be sent once more: then RTO is
	// longer than a loss would find it otherwise.
	BackedOff bool
}

// Facts is all that the kernel tells of a connection (tcp(7), TCP_INFO). What an
// older kernel does not know is zero.
func Facts(c *net.TCPConn) (*unix.TCPInfo, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("read TCP_INFO: %w", err)
	}
	var info *unix.TCPInfo
	var failed error
	if err := raw.Control(func(fd uintptr) { info, failed = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }); err != nil {
		return nil, fmt.Errorf("read TCP_INFO: %w", err)
	}
	if failed != nil {
		return nil, fmt.Errorf("read TCP_INFO: %w", failed)
	}
	return info, nil
}

// ReadInfo asks the kernel about a connection.
func ReadInfo(c *net.TCPConn) (Info, error) {
	info, err := Facts(c)
	if err != nil {
		return Info{}, err
	}
	return Info{
		RTO: time.Duration(info.Rto) * time.Microsecond, RTT: time.Duration(info.Rtt) * time.Microsecond,
		BackedOff: info.Backoff > 0 || info.Retransmits > 0,
	}, nil
}
