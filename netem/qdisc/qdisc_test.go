package qdisc_test

import (
	"errors"
	"testing"

	"testbed/netem"
	"testbed/netem/conformance"
	"testbed/netem/qdisc"
	"testbed/topo/netns"
	"testbed/topo/sandbox"
	"testbed/vm/guest"
	"testbed/vm/guesttest"
)

func TestMain(m *testing.M) { guesttest.Main(m) }

// TestKernels runs what needs the kernel's netem in guests that have it.
func TestKernels(t *testing.T) { guesttest.Run(t, "^Test(Conformance|Kernel[A-Z].*)$") }

// needNetem skips a test where the running kernel has no netem.
func needNetem(tb testing.TB) {
	tb.Helper()
	_, err := qdisc.Supported()
	if missing := (*sandbox.Unavailable)(nil); errors.As(err, &missing) {
		if !guest.Inside() {
			tb.Skip(err)
		}
		sandbox.SkipOrFail(tb, err)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	needNetem(t)
	conformance.Run(t, func(ether *netns.NS, _ func(netem.Drop)) (netem.Medium, error) {
		return qdisc.New(ether, qdisc.Options{Seed: 1})
	}, conformance.Options{
		Virtual: guest.Inside(),
		Refuses: func(i netem.Impairment) bool { return qdisc.Check(i) != nil },
		Untold:  conformance.Untold{Drops: true},
	})
}
