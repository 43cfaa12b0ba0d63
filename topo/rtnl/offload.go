package rtnl

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ethtoolValue is struct ethtool_value (linux/ethtool.h).
type ethtoolValue struct{ cmd, data uint32 }

// ifreqData is struct ifreq with a pointer (netdevice(7)).
type ifreqData struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [16]byte
}

// offloads are what lets one frame stand for several segments, or leave without
// its checksum; by the ethtool commands that read and set them.
var offloads = []struct {
	name     string
	get, set uint32
}{
	{"generic-segmentation-offload", unix.ETHTOOL_GGSO, unix.ETHTOOL_SGSO},
	{"tcp-segmentation-offload", unix.ETHTOOL_GTSO, unix.ETHTOOL_STSO},
	{"generic-receive-offload", unix.ETHTOOL_GGRO, unix.ETHTOOL_SGRO},
	{"tx-checksumming", unix.ETHTOOL_GTXCSUM, unix.ETHTOOL_STXCSUM},
}

// DisableOffloads makes each frame that leaves an interface one segment with its
// checksum, so that a link's loss, MTU and capture see what a wire would carry.
//
//	ethtool -K NAME gso off tso off gro off tx off
func (h *Handle) DisableOffloads(names ...string) error {
	return h.ns.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open ethtool socket: %w", err)
		}
		defer unix.Close(fd)
		for _, name := range names {
			for _, o := range offloads {
				if err := disable(fd, name, o.get, o.set); err != nil {
					return fmt.Errorf("disable %s on %s: %w", o.name, name, err)
				}
			}
		}
		return nil
	})
}

// disable turns one offload off and reads it back.
func disable(fd int, name string, get, set uint32) error {
	if v, err := ethtool(fd, name, get, 0); err != nil || v == 0 {
		return err
	}
	if _, err := ethtool(fd, name, set, 0); err != nil {
		return err
	}
	v, err := ethtool(fd, name, get, 0)
	if err == nil && v != 0 {
		err = fmt.Errorf("it is still on")
	}
	return err
}

// ethtool runs one command with a value and returns the value it leaves.
func ethtool(fd int, name string, cmd, data uint32) (uint32, error) {
	value := &ethtoolValue{cmd: cmd, data: data}
	req := &ifreqData{data: unsafe.Pointer(value)}
	copy(req.name[:unix.IFNAMSIZ-1], name)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(req))); errno != 0 {
		return 0, errno
	}
	return value.data, nil
}
