package qdisc

import (
	"os"
	"strings"
	"testing"

	"testbed/topo/netns"
)

func TestMask(t *testing.T) {
	for cpu, want := range map[int]string{0: "1", 3: "8", 31: "80000000", 32: "1,00000000", 70: "40,00000000,00000000"} {
		if got := mask(cpu); got != want {
			t.Errorf("mask(%d) = %s, want %s", cpu, got, want)
		}
	}
	if a, b := digits(mask(32)), digits("00000000,00000001,00000000\n"); a != b {
		t.Errorf("%s and %s are the same mask", a, b)
	}
}

func TestSteering(t *testing.T) {
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	s, err := newSteering(ns)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if s.interfaces == nil {
		t.Skip("there is one processor")
	}
	for n := range 3 {
		if err := s.steer("lo", n); err != nil {
			if os.Geteuid() == 0 {
				t.Skip(err) // in a user namespace
			}
			t.Fatal(err)
		}
	}
	if err := s.steer("eth9", 0); err == nil || !strings.Contains(err.Error(), "several processors") {
		t.Errorf("an interface that is not there: %v", err)
	}
}
