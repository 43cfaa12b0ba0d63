package kernel_test

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"testbed/observe/kernel"
)

// The kernel tells somebody else of a connection what it tells its owner.
func TestInfo(t *testing.T) {
	for _, c := range []struct {
		loopback string
		family   int
	}{{"127.0.0.1", unix.AF_INET}, {"::1", unix.AF_INET6}} {
		ns := makeNS(t)
		look := openSockets(t, ns)
		client, server, local, remote := connected(t, ns, c.family, c.loopback)
		defer unix.Close(server)
		_, err := unix.Write(client, make([]byte, 1000))
		check(t, err)
		own, err := unix.GetsockoptTCPInfo(client, unix.IPPROTO_TCP, unix.TCP_INFO)
		check(t, err)
		got, err := look.Info(local, remote)
		check(t, err)
		if got.Bytes_sent != 1000 || got.Bytes_acked != own.Bytes_acked || got.Snd_mss != own.Snd_mss || got.Rtt == 0 {
			t.Errorf("%s: %d bytes sent, %d acknowledged, MSS %d, RTT %d; its owner sees %+v", c.loopback, got.Bytes_sent, got.Bytes_acked, got.Snd_mss, got.Rtt, own)
		}
		if far, err := look.Info(remote, local); err != nil || far.Bytes_received != 1000 {
			t.Errorf("%s: the other end: %+v, %v; expected 1000 bytes received", c.loopback, far, err)
		}
		check(t, unix.Close(client))
		if _, err := look.Info(remote, remote); !errors.Is(err, kernel.ErrNoSocket) {
			t.Errorf("%s: no such connection: %v", c.loopback, err)
		}
	}
}
