package sandbox

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"

	"golang.org/x/sys/unix"
)

// slice is what the program's threads ask for at a time, in nanoseconds: little, but
// more than the links' own (netem/wire), which the kernel lets preempt longer ones
// when they wake.
const slice = 200_000

// places is how many goroutines may be inside system calls or running at once
// before another one has to wait for its place in Go's scheduler.
const places = 64

// takePlaces makes room in Go's scheduler. A goroutine that comes back from a
// system call needs a place; one that is blocked in a system call keeps its own
// until the runtime's monitor looks, which may take 10 ms (runtime/proc.go,
// sysmon and retake). With a place for everybody nobody waits.
func takePlaces() {
	if runtime.GOMAXPROCS(0) < places {
		runtime.GOMAXPROCS(places)
	}
}

// heapGrowth is how much, in percent of what is in use, the heap grows until the
// garbage collector runs.
const heapGrowth = 400

// collectSeldom makes the garbage collector run seldom, unless the user has said how
// often. It stops all goroutines for a while, those of the links too, and then runs
// on a quarter of their places at once. From half of the machine's memory on it runs
// as often as it must.
func collectSeldom() {
	var m unix.Sysinfo_t
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" || unix.Sysinfo(&m) != nil {
		return
	}
	debug.SetGCPercent(heapGrowth)
	debug.SetMemoryLimit(int64(m.Totalram) * int64(m.Unit) / 2)
}

// wakeSoon asks the scheduler for short time slices for every thread, those to
// come included, which inherit it. A thread with a short slice runs soon after it
// wakes, also on a busy machine, so that what it measures is the network and not
// the machine. It needs no privilege and does nothing before Linux 6.12 (sched(7),
// kernel/sched/fair.c, EEVDF).
func wakeSoon() {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return
	}
	for _, t := range tasks {
		if tid, err := strconv.Atoi(t.Name()); err == nil {
			shorten(tid)
		}
	}
}

// shorten shortens a thread's slice and leaves it its nice value. A policy that
// the user chose for the program stays.
func shorten(tid int) {
	a, err := unix.SchedGetAttr(tid, 0)
	if err != nil || a.Policy != unix.SCHED_NORMAL {
		return
	}
	_ = unix.SchedSetAttr(tid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Flags: a.Flags, Nice: a.Nice, Runtime: slice}, 0)
}
