package kernel_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"testbed/observe"
	"testbed/observe/kernel"
	"testbed/topo/netns"
	"testbed/topo/rtnl"
	"testbed/topo/sandbox"
)

func TestTicks(t *testing.T) {
	hz, err := kernel.Ticks()
	check(t, err)
	switch hz { // kernel/Kconfig.hz and those of some architectures
	case 24, 48, 100, 128, 200, 250, 256, 300, 500, 1000, 1024:
	default:
		t.Errorf("%d ticks a second", hz)
	}
}

func TestSocketsFollowAConnectionToItsEnd(t *testing.T) {
	eachFamily(t, func(t *testing.T, family int, loopback string) {
		ns := makeNS(t)
		look := openSockets(t, ns)
		client, server, local, remote := connected(t, ns, family, loopback)
		expectSocket(t, look, local, remote, observe.Established, false)
		expectSocket(t, look, remote, local, observe.Established, false)

		check(t, unix.Close(client))
		s := expectSocket(t, look, local, remote, observe.FinWait2, true)
		if s.Due < 50*time.Second || s.Due > time.Minute {
			t.Errorf("FIN-WAIT-2 is due in %v, expected a minute", s.Due)
		}
		expectSocket(t, look, remote, local, observe.CloseWait, false)

		check(t, unix.Close(server))
		s = expectSocket(t, look, local, remote, observe.TimeWait, true)
		if s.Due < 50*time.Second || s.Due > time.Minute {
			t.Errorf("TIME-WAIT is due in %v, expected a minute", s.Due)
		}
		// The listener is still there.
		expectSocket(t, look, remote, local, observe.Closed, false)
	})
}

func TestNoSocketIsClosed(t *testing.T) {
	look := openSockets(t, makeNS(t))
	a, b := netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:2")
	if s := expectSocket(t, look, a, b, observe.Closed, false); s.Due >= 0 {
		t.Errorf("a socket that does not exist is due in %v", s.Due)
	}
}

// Without it a socket that nobody owns any more stays until its FIN has been sent in
// vain often enough, and its namespace with it.
func TestAbortEndsConnectionsAtOnce(t *testing.T) {
	eachFamily(t, func(t *testing.T, family int, loopback string) {
		ns := makeNS(t)
		look := openSockets(t, ns)
		client, server, local, remote := connected(t, ns, family, loopback)
		t.Cleanup(func() { unix.Close(server) })
		nl, err := rtnl.Open(ns)
		check(t, err)
		t.Cleanup(nl.Close)
		check(t, nl.SetUp("lo", false))
		check(t, unix.Close(client))
		expectSocket(t, look, local, remote, observe.FinWait1, false)

		abort(t, look)
		expectSocket(t, look, remote, local, observe.Closed, false)
		left := observe.FinWait1
		if kernel.AbortsUnowned() {
			left = observe.Closed
		}
		expectSocket(t, look, local, remote, left, false)
		if listens, err := look.Listens(remote.Port()); err != nil || !listens {
			t.Errorf("the listener listens: %v, %v", listens, err)
		}
		abort(t, look) // of nothing
	})
}

// eachFamily runs a test over IPv4 and IPv6.
func eachFamily(t *testing.T, test func(t *testing.T, family int, loopback string)) {
	t.Run("IPv4", func(t *testing.T) { test(t, unix.AF_INET, "127.0.0.1") })
	t.Run("IPv6", func(t *testing.T) { test(t, unix.AF_INET6, "::1") })
}

// abort skips the test where the kernel aborts nothing.
func abort(t *testing.T, look *kernel.Sockets) {
	t.Helper()
	err := look.Abort()
	if missing := (*sandbox.Unavailable)(nil); errors.As(err, &missing) {
		sandbox.SkipOrFail(t, err)
	}
	check(t, err)
}

func openSockets(t *testing.T, ns *netns.NS) *kernel.Sockets {
	t.Helper()
	s, err := kernel.OpenSockets(ns)
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	return s
}

// connected are both ends of a connection over the loopback interface.
func connected(t *testing.T, ns *netns.NS, family int, loopback string) (client, server int, local, remote netip.AddrPort) {
	t.Helper()
	l, at := listen(t, ns, family, loopback)
	check(t, ns.Do(func() (err error) {
		client, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		return err
	}))
	check(t, unix.Connect(client, sockaddr(at)))
	server, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC)
	check(t, err)
	return client, server, name(t, client), at
}

// expectSocket waits until a socket is in a state: the other end's segments are
// processed beside the test.
func expectSocket(t *testing.T, look *kernel.Sockets, local, remote netip.AddrPort, state observe.State, minimal bool) kernel.Socket {
	t.Helper()
	var s kernel.Socket
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		var err error
		if s, err = look.Find(local, remote); err != nil {
			t.Fatal(err)
		}
		if s.State == state && s.Minimal == minimal {
			return s
		}
	}
	t.Fatalf("socket %s – %s is %+v, expected %s, minimal %v", local, remote, s, state, minimal)
	return s
}
