package dial

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"testbed/agents"
	"testbed/agents/dns"
	"testbed/agents/tcp"
	"testbed/topo"
	"testbed/topo/netns"
	"testbed/topo/rtnl"
	"testbed/topo/sandbox"
)

func TestMain(m *testing.M) { sandbox.TestMain(m) }

// own4 and own6 answer, and to the others there is no way.
var (
	own4, own6     = netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")
	far4, farther4 = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	far6, farther6 = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
)

// never is longer than any test takes.
const never = time.Hour

// listening is a namespace with nothing but its loopback interface, and a listener on
// port 80.
func listening(t *testing.T, backlog int, h tcp.Handler) *netns.NS {
	t.Helper()
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	handle, err := rtnl.Open(ns)
	if err != nil {
		t.Fatal(err)
	}
	defer handle.Close()
	if err := handle.SetUp("lo", true); err != nil {
		t.Fatal(err)
	}
	l, err := tcp.Listen(ns, 80, backlog, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return ns
}

// full is a namespace whose listener has no room for one more connection over IPv6.
func full(t *testing.T) *netns.NS {
	t.Helper()
	ns := listening(t, 1, nil)
	for range 2 {
		a, err := tcp.Connect(t.Context(), ns, netip.AddrPortFrom(own6, 80), tcp.Options{})
		if err != nil || a.Outcome != agents.Connected {
			t.Fatalf("%+v, %v", a, err)
		}
		t.Cleanup(func() { a.Conn.Close() })
	}
	return ns
}

// knows answers at once.
func knows(typ topo.RecordType, addresses ...netip.Addr) Lookup {
	return func(_ context.Context, asked func()) (*dns.Answer, error) {
		asked()
		return &dns.Answer{Type: typ, Addresses: addresses}, nil
	}
}

// mute never answers.
func mute(typ topo.RecordType) Lookup {
	return func(ctx context.Context, asked func()) (*dns.Answer, error) {
		asked()
		<-ctx.Done()
		return &dns.Answer{Type: typ, Failed: true}, nil
	}
}

func do(t *testing.T, r Request) *Result {
	t.Helper()
	r.Port = 80
	result, err := Do(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if d := result.Decisive; d != nil && d.Conn != nil {
		t.Cleanup(func() { d.Conn.Close() })
	}
	return result
}

func tried(r *Result) (to []netip.Addr) {
	for _, a := range r.Attempts {
		to = append(to, a.To.Addr())
	}
	return to
}

func TestCandidates(t *testing.T) {
	for _, c := range []struct {
		race            bool
		six, four, want []netip.Addr
	}{
		{false, []netip.Addr{far6, own6}, []netip.Addr{far4, own4}, []netip.Addr{far6, own6, far4, own4}},
		{true, []netip.Addr{far6, own6}, []netip.Addr{far4, own4}, []netip.Addr{far6, far4, own6, own4}},
		{true, []netip.Addr{far6}, []netip.Addr{far4, own4}, []netip.Addr{far6, far4, own4}},
		{true, []netip.Addr{far6, own6}, []netip.Addr{far4}, []netip.Addr{far6, far4, own6}},
		{true, []netip.Addr{far6, own6}, nil, []netip.Addr{far6, own6}},
		{true, nil, []netip.Addr{far4, own4}, []netip.Addr{far4, own4}},
		{true, nil, nil, nil},
	} {
		r := &race{Request: Request{Race: c.race}, six: slices.Clone(c.six), four: slices.Clone(c.four)}
		for {
			to, ok := r.candidate()
			if !ok {
				break
			}
			r.Attempts = append(r.Attempts, &Attempt{To: netip.AddrPortFrom(to, 80)})
		}
		if got := tried(&r.Result); !slices.Equal(got, c.want) {
			t.Errorf("race %t of %v and %v: %v, want %v", c.race, c.six, c.four, got, c.want)
		}
	}
}

// TestInTurn tries IPv6 before IPv4, until one connects.
func TestInTurn(t *testing.T) {
	started := 0
	r := do(t, Request{
		NS:      listening(t, 16, tcp.Silent),
		Lookups: []Lookup{knows(topo.AAAA, far6, farther6), knows(topo.A, far4, own4, farther4)},
		OnStart: func() { started++ },
	})
	if got, want := tried(r), []netip.Addr{far6, farther6, far4, own4}; !slices.Equal(got, want) {
		t.Errorf("tried %v, want %v", got, want)
	}
	if r.Outcome != agents.Connected || r.Decisive != r.Attempts[3] || r.Decisive.Conn == nil || started != 1 || len(r.Answers) != 2 {
		t.Errorf("%+v", r)
	}
	for _, a := range r.Attempts[:3] {
		if a.Outcome != agents.NetworkUnreachable || a.Conn != nil {
			t.Errorf("%+v", a)
		}
	}
}

// TestAFailureMakesRoom holds that the next attempt of a race does not wait where
// the one before has failed.
func TestAFailureMakesRoom(t *testing.T) {
	r := do(t, Request{
		NS: listening(t, 16, tcp.Silent), Race: true, AttemptDelay: never, ResolutionDelay: never,
		Lookups: []Lookup{knows(topo.AAAA, far6), knows(topo.A, own4)},
	})
	if got, want := tried(r), []netip.Addr{far6, own4}; !slices.Equal(got, want) || r.Outcome != agents.Connected {
		t.Errorf("tried %v, want %v: %s", got, want, r.Outcome)
	}
}

// TestAttemptDelay has an attempt without an answer overtaken, and not before its
// time.
func TestAttemptDelay(t *testing.T) {
	const delay = 30 * time.Millisecond
	r := do(t, Request{
		NS: full(t), Race: true, AttemptDelay: delay, ResolutionDelay: never,
		Lookups: []Lookup{knows(topo.AAAA, own6), knows(topo.A, own4)},
	})
	if got, want := tried(r), []netip.Addr{own6, own4}; !slices.Equal(got, want) {
		t.Fatalf("tried %v, want %v", got, want)
	}
	if first := r.Attempts[0]; first.Outcome != agents.Abandoned || first.Conn != nil {
		t.Errorf("the first: %+v", first)
	}
	if d := r.Attempts[1].Began.Sub(r.Attempts[0].Began); r.Outcome != agents.Connected || r.Decisive != r.Attempts[1] || d < delay {
		t.Errorf("%s, %v after the first one", r.Outcome, d)
	}
}

// TestResolutionDelay has IPv4 wait for the answer for IPv6, and not for ever.
func TestResolutionDelay(t *testing.T) {
	const delay = 30 * time.Millisecond
	r := do(t, Request{
		NS: listening(t, 16, tcp.Silent), Race: true, AttemptDelay: never, ResolutionDelay: delay,
		Lookups: []Lookup{mute(topo.AAAA), knows(topo.A, own4)},
	})
	if r.Outcome != agents.Connected || r.Decisive.To.Addr() != own4 || r.Resolved < delay {
		t.Errorf("%s, resolved in %v", r.Outcome, r.Resolved)
	}
	if len(r.Answers) != 2 || r.Answers[0].Type != topo.A || !r.Answers[1].Failed {
		t.Errorf("%+v", r.Answers)
	}
}

// TestInTurnWaitsForAllAnswers until the request's time is up.
func TestInTurnWaitsForAllAnswers(t *testing.T) {
	const timeout = 30 * time.Millisecond
	r := do(t, Request{NS: listening(t, 16, tcp.Silent), Lookups: []Lookup{mute(topo.AAAA), knows(topo.A, own4)}, Timeout: timeout})
	if r.Outcome != agents.TimedOut || !r.Deadline || len(r.Attempts) > 0 || r.Decisive != nil || r.Elapsed < timeout || r.Resolved != r.Elapsed {
		t.Errorf("%+v", r)
	}
}

func TestTimeoutEndsAnAttempt(t *testing.T) {
	const timeout = 30 * time.Millisecond
	r := do(t, Request{NS: full(t), Lookups: []Lookup{knows(topo.AAAA, own6)}, Timeout: timeout})
	if r.Outcome != agents.TimedOut || !r.Deadline || r.Elapsed < timeout || len(r.Attempts) != 1 {
		t.Fatalf("%+v", r)
	}
	if a := r.Decisive; a != r.Attempts[0] || a.Outcome != agents.TimedOut || !a.Deadline || a.Conn != nil {
		t.Errorf("%+v", a)
	}
}

func TestWithoutAConnection(t *testing.T) {
	ns := listening(t, 16, tcp.Silent)
	failed := func(context.Context, func()) (*dns.Answer, error) {
		return &dns.Answer{Type: topo.AAAA, Failed: true}, nil
	}
	for name, c := range map[string]struct {
		lookups []Lookup
		want    agents.Outcome
		tried   int
	}{
		"no address":            {[]Lookup{knows(topo.AAAA), knows(topo.A)}, agents.NoSuchName, 0},
		"no answer":             {[]Lookup{failed, knows(topo.A)}, agents.ResolutionFailed, 0},
		"no answer, no way":     {[]Lookup{failed, knows(topo.A, far4)}, agents.NetworkUnreachable, 1},
		"no way to any of them": {[]Lookup{knows(topo.AAAA, far6), knows(topo.A, far4, farther4)}, agents.NetworkUnreachable, 3},
	} {
		for _, race := range []bool{false, true} {
			r := do(t, Request{NS: ns, Lookups: c.lookups, Race: race, AttemptDelay: never, ResolutionDelay: never})
			if r.Outcome != c.want || len(r.Attempts) != c.tried || r.Deadline || (r.Decisive != nil) != (c.tried > 0) {
				t.Errorf("%s, race %t: %+v", name, race, r)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	ns, broken := listening(t, 16, tcp.Silent), errors.New("broken")
	breaks := func(context.Context, func()) (*dns.Answer, error) { return nil, broken }
	r, err := Do(t.Context(), Request{NS: ns, Port: 80, Lookups: []Lookup{mute(topo.AAAA), breaks}})
	if !errors.Is(err, broken) || r != nil {
		t.Errorf("%+v, %v", r, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, err = Do(ctx, Request{NS: ns, Port: 80, Lookups: []Lookup{mute(topo.AAAA)}, OnStart: cancel})
	if !errors.Is(err, context.Canceled) || r != nil {
		t.Errorf("%+v, %v", r, err)
	}
}
