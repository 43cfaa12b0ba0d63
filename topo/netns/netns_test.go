package netns_test

import (
	"os"
	"sync"
	"testing"

	"testbed/topo/netns"
	"testbed/topo/sandbox"
)

func TestMain(m *testing.M) { sandbox.TestMain(m) }

func current(t *testing.T) string {
	t.Helper()
	l, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestNoThreadStaysInAForeignNamespace(t *testing.T) {
	home := current(t)
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if err := ns.Do(func() error {
				if got := current(t); got == home {
					t.Errorf("Do ran in the caller's namespace %s", got)
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for range 200 {
		wg.Go(func() {
			if got := current(t); got != home {
				t.Errorf("a later goroutine runs in %s, want %s", got, home)
			}
		})
	}
	wg.Wait()
	if l, err := os.Readlink("/proc/self/ns/net"); err != nil || l != home {
		t.Errorf("the process's namespace is %s (%v), want %s", l, err, home)
	}
}

func TestInodeIsTheNamespaces(t *testing.T) {
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	err = ns.Do(func() error {
		st, err := os.Stat("/proc/thread-self/ns/net")
		if err != nil {
			return err
		}
		if got := inode(st); got != ns.Inode() {
			t.Errorf("inode %d, want %d", ns.Inode(), got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDoUnsharedHasItsOwnHostName(t *testing.T) {
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	before, _ := os.Hostname()
	err = ns.DoUnshared(func() error { return sethostname("inside-only") })
	if err != nil {
		t.Fatal(err)
	}
	if after, _ := os.Hostname(); after != before {
		t.Errorf("the host's name became %q, was %q", after, before)
	}
}
