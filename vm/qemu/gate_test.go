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

	"golang.org/x/sys/unix"

	"testbed/topo/sandbox"
)

// watchedEnv makes this program stand for an emulator. Its value is the timeout of
// its main thread's ppoll(2), and how long its processor's thread computes.
const watchedEnv = "TESTBED_GATE_TIMEOUT"

func init() {
	var timeout, work string
	if n, _ := fmt.Sscan(os.Getenv(watchedEnv), &timeout, &work); n == 2 {
		runtime.LockOSThread() // the main thread, as of every init
		watched(duration(timeout), duration(work))
		os.Exit(0)
	}
}

func duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		panic(err)
	}
	return d
}

// watched has a thread compute and then sleep, and prints its number; then, when it
// is told to go on, whether the thread slept when a ppoll(2) was over that has nothing
// to wait for. Until then the thread computes, for its time at most.
func watched(timeout, work time.Duration) {
	// Go's scheduler must not put the thread to sleep in between: it has a processor of its
	// own, and nothing in its loop lets it be preempted (GODEBUG=asyncpreemptoff).
	runtime.GOMAXPROCS(4)
	debug.SetGCPercent(-1)
	var begin, works, over, sleeps atomic.Bool
	go func() {
		runtime.LockOSThread()
		fmt.Println(unix.Gettid())
		for !begin.Load() {
		}
		time.AfterFunc(work, func() { over.Store(true) })
		works.Store(true)
		for !over.Load() {
		}
		sleeps.Store(true)
		time.Sleep(time.Hour) // until the program ends, which the other end of its input decides
	}()
	bufio.NewReader(os.Stdin).ReadString('\n')
	null, err := os.Open(os.DevNull)
	if err != nil {
		panic(err)
	}
	begin.Store(true)
	for !works.Load() {
	}
	t := unix.NsecToTimespec(int64(timeout))
	for {
		_, err := unix.Ppoll([]unix.PollFd{{Fd: int32(null.Fd()), Events: unix.POLLIN}}, &t, nil)
		if err != unix.EINTR {
			break
		}
	}
	fmt.Println(sleeps.Load())
	over.Store(true)
}

func TestTheGateHoldsTheMainThreadWhileTheProcessorWorks(t *testing.T) {
	for _, c := range []struct {
		name          string
		follows       bool
		timeout, work time.Duration
		held          bool
	}{
		{"until it sleeps", true, time.Hour, 500 * time.Millisecond, true},
		{"no longer than it would wait by itself", true, 10 * time.Millisecond, time.Minute, false},
		{"not before it follows one", false, time.Hour, time.Minute, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if slept := throughGate(t, c.timeout, c.work, c.follows); slept != fmt.Sprint(c.held) {
				t.Errorf("the processor's thread slept when ppoll was over: %s", slept)
			}
		})
	}
}

// throughGate is what a program prints in the end that was started with a gate.
func throughGate(t *testing.T, timeout, work time.Duration, follows bool) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), watchedEnv+"="+timeout.String()+" "+work.String(), "GODEBUG=asyncpreemptoff=1")
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
