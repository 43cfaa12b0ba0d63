package qemu

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"testbed/topo/sandbox"
)

// watchedEnv makes this program stand for an emulator. Its value is what its processor's
// thread does while it is not idle, and for how long.
const watchedEnv = "TESTBED_GATE_WATCHED"

func init() {
	var does, work string
	if n, _ := fmt.Sscan(os.Getenv(watchedEnv), &does, &work); n == 2 {
		runtime.LockOSThread() // the main thread, as of every init
		d, err := time.ParseDuration(work)
		if err != nil {
			panic(err)
		}
		watched(does, d)
		os.Exit(0)
	}
}

// What the processor's thread does while it is not idle.
const (
	computes = "computes"
	// finds each time that the condition was signalled that it is about to wait for
	signalled = "signalled"
	// waits for a lock
	locked = "locked"
)

// watched has a thread do something and then be idle, and prints its number; then, when
// it is told to go on, whether the thread was idle when a ppoll(2) was over that has
// nothing to wait for. Until then the thread is not, for its time at most.
func watched(does string, work time.Duration) {
	// Go's scheduler must not put the thread to sleep in between: it has a processor of its
	// own, and nothing in its loop lets it be preempted (GODEBUG=asyncpreemptoff).
	runtime.GOMAXPROCS(4)
	debug.SetGCPercent(-1)
	var begin, works, over, idle atomic.Bool
	go func() {
		runtime.LockOSThread()
		futex(futexWaitBitset, false, nil)
		fmt.Println(unix.Gettid())
		for !begin.Load() {
		}
		time.AfterFunc(work, func() { over.Store(true) })
		works.Store(true)
		if does == locked {
			t := unix.NsecToTimespec(int64(work))
			futex(futexWait, true, &t)
		}
		for !over.Load() {
			if does == signalled {
				futex(futexWaitBitset, false, nil)
			}
		}
		idle.Store(true)
		// Until the program ends, which the other end of its input decides.
		futex(futexWaitBitset, true, nil)
	}()
	bufio.NewReader(os.Stdin).ReadString('\n')
	null, err := os.Open(os.DevNull)
	if err != nil {
		panic(err)
	}
	begin.Store(true)
	for !works.Load() {
	}
	for {
		_, err := unix.Ppoll([]unix.PollFd{{Fd: int32(null.Fd()), Events: unix.POLLIN}}, nil, nil)
		if err != unix.EINTR {
			break
		}
	}
	fmt.Println(idle.Load())
}

// futexWait is FUTEX_WAIT of linux/futex.h.
const futexWait = 0

// futex waits on a word, unless it is not what it should be.
func futex(operation uintptr, as bool, timeout *unix.Timespec) {
	var word uint32
	expected, any := uintptr(1), ^uintptr(0)
	if as {
		expected = 0
	}
	unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&word)), operation, expected, uintptr(unsafe.Pointer(timeout)), 0, any)
}

func TestTheGateHoldsTheMainThreadWhileTheProcessorWorks(t *testing.T) {
	const short = 300 * time.Millisecond
	for _, c := range []struct {
		name    string
		follows bool
		does    string
		work    time.Duration
		held    bool
	}{
		{"until it waits for a condition", true, computes, short, true},
		{"though its condition was signalled", true, signalled, short, true},
		{"though it waits for a lock", true, locked, short, true},
		{"not if the lock may be the main thread's", true, locked, time.Hour, false},
		{"not before it follows one", false, computes, time.Hour, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if idle := throughGate(t, c.does, c.work, c.follows); idle != fmt.Sprint(c.held) {
				t.Errorf("the processor was idle when ppoll was over: %s", idle)
			}
		})
	}
}

// throughGate is what a program prints in the end that was started with a gate.
func throughGate(t *testing.T, does string, work time.Duration, follows bool) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), watchedEnv+"="+does+" "+work.String(), "GODEBUG=asyncpreemptoff=1")
	in, tell := pipe(t)
	listen, out := pipe(t)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, os.Stderr
	var g *gate
	started, ended := make(chan error), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		var err error
		if g, err = newGate(); err != nil {
			started <- errors.Join(errNoGate, err)
			return
		}
		go g.serve()
		err = cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	err := <-started
	if errors.Is(err, errNoGate) {
		sandbox.SkipOrFail(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	out.Close()
	lines := bufio.NewReader(listen)
	thread := 0
	if _, err := fmt.Fscanln(lines, &thread); err != nil {
		t.Fatal(err)
	}
	if follows {
		if err := g.follow(cmd.Process.Pid, thread); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Fprintln(tell)
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// pipe is one that is closed with the test.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}
