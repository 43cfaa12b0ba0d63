package flood

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"testbed/topo"
	"testbed/topo/netns"
	"testbed/topo/rtnl"
	"testbed/topo/sandbox"
)

func TestMain(m *testing.M) { sandbox.TestMain(m) }

// longest is what even a busy machine does not take.
const longest = 10 * time.Second

func TestDraw(t *testing.T) {
	for _, p := range []string{"203.0.113.0/24", "10.0.0.0/8", "192.0.2.7/32", "198.18.4.0/22", "3fff::/20", "2001:db8::1/128", "2001:db8::/127"} {
		prefix := netip.MustParsePrefix(p)
		r, seen := rand.New(rand.NewPCG(1, 0)), map[netip.Addr]bool{}
		for range 5000 {
			a := draw(r, prefix)
			if !prefix.Contains(a) {
				t.Fatalf("%s is not in %s", a, p)
			}
			seen[a] = true
		}
		host := prefix.Addr().BitLen() - prefix.Bits()
		if host < 10 && len(seen) != 1<<host || host >= 10 && len(seen) < 900 {
			t.Errorf("%d addresses of %s", len(seen), p)
		}
	}
}

// TestRun floods a namespace's loopback interface: as many as are due, unless the
// machine is so busy that it gives some up, and not in less time.
func TestRun(t *testing.T) {
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	h, err := rtnl.Open(ns)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	o := Options{
		Target: netip.MustParseAddrPort("127.0.0.1:80"), From: netip.MustParsePrefix("127.0.0.1/32"),
		Due: topo.Rate{Packets: 3000, Per: "second"}.Due, Duration: 100 * time.Millisecond,
	}
	const all = 300
	complete := func(n int, r *Result) bool {
		return r.Elapsed >= o.Duration && r.Elapsed < longest && (n == all || 0 < n && n < all && r.Elapsed > o.Duration+lag)
	}
	if r, err := Run(t.Context(), ns, o); err != nil || r.Sent != 0 || !complete(r.Failed, r) || r.Errno != unix.ENETUNREACH {
		t.Errorf("loopback down: %+v, %v", r, err)
	}
	if err := h.SetUp("lo", true); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"127.0.0.1", "::1"} {
		a := netip.MustParseAddr(to)
		o.Target, o.From = netip.AddrPortFrom(a, 80), netip.PrefixFrom(a, a.BitLen())
		r, err := Run(t.Context(), ns, o)
		if err != nil {
			t.Fatal(err)
		}
		if r.Failed != 0 || !complete(r.Sent, r) {
			t.Errorf("%s: %+v", to, r)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	due := o.Due
	o.Duration, o.Due = 0, func(n int) time.Duration {
		if n == 100 {
			cancel()
		}
		return due(n)
	}
	if r, err := Run(ctx, ns, o); err != nil || r.Sent != 100 || r.Elapsed < due(99) || r.Elapsed > longest {
		t.Errorf("until cancelled: %+v, %v", r, err)
	}
}

// A flood that can't keep its rate ends in its time all the same.
func TestABehindFloodEnds(t *testing.T) {
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	r, err := Run(t.Context(), ns, Options{
		Target: netip.MustParseAddrPort("127.0.0.1:80"), From: netip.MustParsePrefix("127.0.0.1/32"),
		Due: func(int) time.Duration { return 0 }, Duration: 50 * time.Millisecond,
	})
	if err != nil || r.Elapsed < 50*time.Millisecond || r.Failed == 0 {
		t.Errorf("%+v, %v", r, err)
	}
}
