package machine_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"testbed/vm"
	"testbed/vm/guesttest"
	"testbed/vm/kernel"
	"testbed/vm/machine"
	"testbed/vm/qemu"
)

// options are those of a machine with the first kernel of the tests, in an empty
// store; they count boots.
func options(t *testing.T, boots *atomic.Int32) machine.Options {
	t.Helper()
	m := guesttest.Open(t, guesttest.Names()[0]) // skips, or fails, where there can be none
	q, err := qemu.Find()
	if err != nil {
		t.Fatal(err)
	}
	own(t)
	return machine.Options{Kernel: m.Kernel(), Emulator: q, OnBoot: func(kernel.Kernel) { boots.Add(1) }}
}

// own makes a store with the same kernels for one test.
func own(t *testing.T) {
	t.Helper()
	kernels, err := kernel.Default()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(kernels.Dir, filepath.Join(dir, "kernels")); err != nil {
		t.Fatal(err)
	}
	t.Setenv(kernel.CacheEnv, dir)
}

// snapshots are the folders of the store.
func snapshots(t *testing.T) (list []string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(os.Getenv(kernel.CacheEnv), "snapshots", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range found {
		if !strings.HasSuffix(path, ".lock") {
			list = append(list, path)
		}
	}
	return list
}

func open(t *testing.T, o machine.Options) *machine.Machine {
	t.Helper()
	m, err := machine.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func checkWorks(t *testing.T, m *machine.Machine) {
	t.Helper()
	if r := do(t, m, &vm.Job{Args: []string{"nothing"}}); r.code != 3 {
		t.Errorf("a job ends with %+v, want code 3", r)
	}
}

func TestSnapshotIsMadeOnceAndWhenDamaged(t *testing.T) {
	var boots atomic.Int32
	o := options(t, &boots)
	machines := make([]*machine.Machine, 2)
	var wg sync.WaitGroup
	for i := range machines {
		wg.Go(func() {
			var err error
			if machines[i], err = machine.Open(t.Context(), o); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	defer machines[0].Close()
	defer machines[1].Close()
	if n := boots.Load(); n != 1 || len(snapshots(t)) != 1 {
		t.Fatalf("two that open at once boot %d times and leave %v, want one", n, snapshots(t))
	}
	state := filepath.Join(snapshots(t)[0], "state")
	st, err := os.Stat(state)
	if err != nil {
		t.Fatal(err)
	}
	// Another one has taken its place by then, for those that have it open.
	if err := os.Rename(state, state+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(state, make([]byte, st.Size()), 0o644); err != nil {
		t.Fatal(err)
	}
	anew := open(t, o)
	if n := boots.Load(); n != 2 || len(snapshots(t)) != 1 {
		t.Errorf("after damage there are %d boots and %v, want 2 and one snapshot", n, snapshots(t))
	}
	for _, m := range append(machines, anew) {
		checkWorks(t, m)
	}
	open(t, o)
	if n := boots.Load(); n != 2 {
		t.Errorf("a snapshot that was made anew is booted again: %d boots", n)
	}
}

func TestFreshLeavesNothing(t *testing.T) {
	var boots atomic.Int32
	o := options(t, &boots)
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	o.Fresh = true
	m, err := machine.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	// Even if this program were killed now.
	left, err := os.ReadDir(tmp)
	if err != nil {
		t.Fatal(err)
	}
	checkWorks(t, m)
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if n := boots.Load(); n != 1 || len(left) != 0 || len(snapshots(t)) != 0 {
		t.Errorf("%d boots leave %v and %v, want 1 boot and nothing", n, left, snapshots(t))
	}
}
