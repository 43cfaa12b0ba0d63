package kernel_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"testbed/observe"
	"testbed/observe/kernel"
	"testbed/topo/netns"
	"testbed/topo/sandbox"
)

func TestMain(m *testing.M) { sandbox.TestMain(m) }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// inInitialUserNamespace tells real root from a sandbox's.
func inInitialUserNamespace() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && len(b) > 0 && slices.Equal(strings.Fields(string(b)), []string{"0", "0", "4294967295"})
}

func open(t testing.TB) *kernel.Tracer {
	t.Helper()
	tr, err := kernel.Open()
	var missing *sandbox.Unavailable
	if errors.As(err, &missing) {
		if !inInitialUserNamespace() {
			t.Skip(err)
		}
		sandbox.SkipOrFail(t, err)
	}
	check(t, err)
	t.Cleanup(func() { tr.Close() })
	return tr
}

// makeNS is a namespace with a loopback interface that is up.
func makeNS(t testing.TB) *netns.NS {
	t.Helper()
	ns, err := netns.New()
	check(t, err)
	t.Cleanup(func() { ns.Close() })
	check(t, ns.Do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(lo)
	}))
	return ns
}

// listen opens a listening socket in the namespace.
func listen(t testing.TB, ns *netns.NS, family int, addr string) (fd int, at netip.AddrPort) {
	t.Helper()
	check(t, ns.Do(func() (err error) {
		fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		return err
	}))
	t.Cleanup(func() { unix.Close(fd) })
	check(t, unix.Bind(fd, sockaddr(netip.AddrPortFrom(netip.MustParseAddr(addr), 0))))
	check(t, unix.Listen(fd, 8))
	return fd, name(t, fd)
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func name(t testing.TB, fd int) netip.AddrPort {
	t.Helper()
	sa, err := unix.Getsockname(fd)
	check(t, err)
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	t.Fatalf("socket address %T", sa)
	return netip.AddrPort{}
}

// dial connects and returns the client's address.
func dial(t testing.TB, ns *netns.NS, to netip.AddrPort) (fd int, local netip.AddrPort, err error) {
	t.Helper()
	family := unix.AF_INET
	if to.Addr().Is6() {
		family = unix.AF_INET6
	}
	check(t, ns.Do(func() (err error) {
		fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		return err
	}))
	err = unix.Connect(fd, sockaddr(to))
	return fd, name(t, fd), err
}

type step struct{ from, to observe.State }

// steps are the changes of one connection's end.
func steps(cs []kernel.Change, local, remote netip.AddrPort) (s []step) {
	for _, c := range cs {
		if c.Local == local && c.Remote == remote {
			s = append(s, step{c.Old, c.New})
		}
	}
	return s
}

func TestStatesOfAConnection(t *testing.T) {
	tr := open(t)
	for _, c := range []struct {
		name           string
		family         int
		listen, target string
	}{
		{"IPv4", unix.AF_INET, "127.0.0.1", "127.0.0.1"},
		{"IPv6", unix.AF_INET6, "::1", "::1"},
		{"IPv4 at an IPv6 listener", unix.AF_INET6, "::", "127.0.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ns := makeNS(t)
			check(t, tr.Watch(ns.Inode()))
			_, at := listen(t, ns, c.family, c.listen)
			server := netip.AddrPortFrom(netip.MustParseAddr(c.target), at.Port())
			mark := tr.Mark()
			before := time.Now()
			fd, local, err := dial(t, ns, server)
			check(t, err)
			cs := tr.Since(mark)
			after := time.Now()
			client := steps(cs, local, server)
			if want := []step{{observe.Closed, observe.SynSent}, {observe.SynSent, observe.Established}}; !slices.Equal(client, want) {
				t.Errorf("client: %v, want %v; all: %+v", client, want, cs)
			}
			if got, want := steps(cs, server, local), []step{{observe.Listen, observe.SynReceived}, {observe.SynReceived, observe.Established}}; !slices.Equal(got, want) {
				t.Errorf("server: %v, want %v; all: %+v", got, want, cs)
			}
			for _, ch := range cs {
				if ch.Netns != ns.Inode() || ch.Time.Before(before.Round(0).Add(-time.Millisecond)) || ch.Time.After(after.Round(0).Add(time.Millisecond)) {
					t.Errorf("change %+v is not of namespace %d between %v and %v", ch, ns.Inode(), before, after)
				}
			}
			mark = tr.Mark()
			check(t, unix.Close(fd))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for _, want := range []step{{observe.Established, observe.FinWait1}, {observe.FinWait1, observe.FinWait2}} {
				if _, err := tr.Wait(ctx, mark, func(c kernel.Change) bool {
					return c.Local == local && c.Remote == server && c.Old == want.from && c.New == want.to
				}); err != nil {
					t.Errorf("client that closes: no %v: %v", want, err)
				}
			}
		})
	}
}

func TestARefusedConnectionGoesToClosed(t *testing.T) {
	tr := open(t)
	ns := makeNS(t)
	check(t, tr.Watch(ns.Inode()))
	fd, at := listen(t, ns, unix.AF_INET, "127.0.0.1")
	unix.Close(fd)
	mark := tr.Mark()
	_, _, err := dial(t, ns, at)
	if !errors.Is(err, unix.ECONNREFUSED) {
		t.Fatalf("connect: %v, want ECONNREFUSED", err)
	}
	cs := tr.Since(mark)
	if len(cs) != 2 || cs[0].Local != cs[1].Local || cs[0].Local.Port() == 0 {
		t.Fatalf("changes %+v, want two of one socket", cs)
	}
	if got, want := steps(cs, cs[0].Local, at), []step{{observe.Closed, observe.SynSent}, {observe.SynSent, observe.Closed}}; !slices.Equal(got, want) {
		t.Errorf("changes %v, want %v", got, want)
	}
}

// The kernel chooses a client's port after SYN-SENT, which has it once the next change
// has come.
func TestTheFirstChangeOfAClientLacksItsPort(t *testing.T) {
	tr := open(t)
	ns := makeNS(t)
	check(t, tr.Watch(ns.Inode()))
	remote := netip.MustParseAddrPort("198.51.100.1:80")
	var fd int
	check(t, ns.Do(func() (err error) {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		// What comes back by the loopback interface is for nobody here.
		nobody := &net.IPNet{IP: net.IPv4(198, 51, 100, 0), Mask: net.CIDRMask(24, 32)}
		if err := netlink.RouteAdd(&netlink.Route{LinkIndex: lo.Attrs().Index, Dst: nobody, Scope: netlink.SCOPE_LINK}); err != nil {
			return err
		}
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		return err
	}))
	mark := tr.Mark()
	if err := unix.Connect(fd, sockaddr(remote)); err != unix.EINPROGRESS {
		t.Fatalf("connect: %v, want EINPROGRESS", err)
	}
	local := name(t, fd)
	cs := tr.Since(mark)
	if want := netip.AddrPortFrom(local.Addr(), 0); len(cs) != 1 || cs[0].New != observe.SynSent || cs[0].Local != want || cs[0].Remote != remote {
		t.Errorf("changes %+v, want SYN-SENT from %v to %v", cs, want, remote)
	}
	check(t, unix.Close(fd))
	cs = tr.Since(mark)
	if got, want := steps(cs, local, remote), []step{{observe.Closed, observe.SynSent}, {observe.SynSent, observe.Closed}}; !slices.Equal(got, want) {
		t.Errorf("changes %v, want %v", got, want)
	}
}

func TestOnlyWatchedNamespacesAreSeen(t *testing.T) {
	tr := open(t)
	watched, other := makeNS(t), makeNS(t)
	check(t, tr.Watch(watched.Inode()))
	for _, ns := range []*netns.NS{other, watched} {
		_, at := listen(t, ns, unix.AF_INET, "127.0.0.1")
		_, _, err := dial(t, ns, at)
		check(t, err)
	}
	cs := tr.Since(0)
	if len(cs) == 0 {
		t.Error("nothing was seen in the watched namespace")
	}
	for _, c := range cs {
		if c.Netns != watched.Inode() {
			t.Errorf("change %+v of a namespace that is not watched", c)
		}
	}
	check(t, tr.Forget(watched.Inode()))
	mark := tr.Mark()
	listen(t, watched, unix.AF_INET, "127.0.0.1")
	if cs := tr.Since(mark); len(cs) != 0 {
		t.Errorf("changes %+v of a namespace that is forgotten", cs)
	}
}

func TestWait(t *testing.T) {
	tr := open(t)
	ns := makeNS(t)
	check(t, tr.Watch(ns.Inode()))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	type result struct {
		kernel.Change
		error
	}
	found := make(chan result)
	go func() {
		c, err := tr.Wait(ctx, 0, func(c kernel.Change) bool { return c.Netns == ns.Inode() && c.New == observe.Listen })
		found <- result{c, err}
	}()
	_, at := listen(t, ns, unix.AF_INET, "127.0.0.1")
	if r := <-found; r.error != nil || r.Local.Port() != at.Port() {
		t.Errorf("found %+v, %v, want a listener at %v", r.Change, r.error, at)
	}
	go func() {
		_, err := tr.Wait(context.Background(), 0, func(kernel.Change) bool { return false })
		found <- result{error: err}
	}()
	check(t, tr.Close())
	check(t, tr.Close())
	if r := <-found; !errors.Is(r.error, kernel.ErrClosed) {
		t.Errorf("error %v, want ErrClosed", r.error)
	}
	if cs := tr.Since(0); len(cs) == 0 {
		t.Error("the record is gone after Close")
	}
}

func TestManyConnectionsAreAllSeen(t *testing.T) {
	tr := open(t)
	ns := makeNS(t)
	check(t, tr.Watch(ns.Inode()))
	var l net.Listener
	check(t, ns.Do(func() (err error) { l, err = net.Listen("tcp4", "127.0.0.1:0"); return err }))
	defer l.Close()
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			c.Close()
		}
	}()
	mark := tr.Mark()
	const n = 500
	for range n {
		fd, _, err := dial(t, ns, netip.MustParseAddrPort(l.Addr().String()))
		check(t, err)
		unix.Close(fd)
	}
	established := 0
	for _, c := range tr.Since(mark) {
		if c.Old == observe.SynSent && c.New == observe.Established {
			established++
		}
	}
	if established != n || tr.Lost() != 0 {
		t.Errorf("%d connections seen, %d changes lost, want %d and 0", established, tr.Lost(), n)
	}
}

// Ordinary users get a typed error that says what to do.
func TestUnavailableSaysWhatToDo(t *testing.T) {
	tr, err := kernel.Open()
	if err == nil {
		tr.Close()
		if err := kernel.Supported(); err != nil {
			t.Errorf("Supported: %v, though Open succeeds", err)
		}
		t.Skip("this user may trace")
	}
	for _, err := range []error{err, kernel.Supported()} {
		var u *sandbox.Unavailable
		if !errors.As(err, &u) || u.Missing == "" || u.Remedy == "" {
			t.Errorf("error %v, want an Unavailable that names what is missing and the remedy", err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	open(b).Close()
	for b.Loop() {
		tr, err := kernel.Open()
		check(b, err)
		tr.Close()
	}
}
