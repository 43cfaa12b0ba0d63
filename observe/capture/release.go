package capture

import "golang.org/x/sys/unix"

// release gives a packet socket up without waiting for the RCU grace periods
// that its release takes (packet_release in net/packet/af_packet.c; with a ring
// about 25 ms), which the last close(2) or the end of the process would wait
// for. The descriptor is put in flight to a UNIX socket that is in flight to
// itself: nobody can receive it any more, and the kernel's garbage collector of
// such cycles (net/unix/garbage.c), a kernel thread since Linux 6.8, releases
// it. The caller closes its own descriptor afterwards, which then costs nothing.
func release(fd int) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	// Where this fails, the caller's close waits.
	_ = unix.Sendmsg(pair[0], []byte{0}, unix.UnixRights(fd, pair[1]), nil, 0)
	unix.Close(pair[0])
	unix.Close(pair[1])
}
