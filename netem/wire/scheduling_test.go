package wire_test

import (
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"testbed/netem/conformance"
	"testbed/netem/wire"
)

// A real-time thread would keep those from running that Go's runtime has it wait for.
func TestNoThreadIsRealTime(t *testing.T) {
	n := conformance.NewNetwork(t, conformance.IPv4)
	w, err := wire.New(n.Ether, wire.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	preferred := func(a *unix.SchedAttr) bool { return a.Nice == -20 }
	may := mayPrefer()
	// The wire's thread prepares itself when it has begun.
	for began := time.Now(); may && !slices.ContainsFunc(threads(t), preferred); time.Sleep(time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatal("no thread has nice value -20")
		}
	}
	for _, a := range threads(t) {
		if a.Policy != unix.SCHED_NORMAL {
			t.Errorf("a thread has the scheduling policy %d", a.Policy)
		}
	}
}

// mayPrefer tells whether the program may lower nice values, which it tries with a
// thread that ends.
func mayPrefer() bool {
	may := make(chan bool)
	go func() {
		runtime.LockOSThread()
		may <- unix.Setpriority(unix.PRIO_PROCESS, 0, -19) == nil
	}()
	return <-may
}

// threads are how the program's threads are scheduled.
func threads(t *testing.T) (all []*unix.SchedAttr) {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			t.Fatal(err)
		}
		if a, err := unix.SchedGetAttr(tid, 0); err == nil { // else it has ended
			all = append(all, a)
		}
	}
	return all
}
