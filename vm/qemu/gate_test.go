package qemu

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"testbed/topo/sandbox"
)

// watchedEnv makes this program stand for an emulator. Its value is the timeout of
// its main thread's ppoll(2).
const watchedEnv = "TESTBED_GATE_TIMEOUT"

// work is how long its processor's thread computes.
const work = 500 * time.Millisecond

func init() {
	if timeout, err := time.ParseDuration(os.Getenv(watchedEnv)); err == nil {
		runtime.LockOSThread() // the main thread, as of every init
		watched(timeout)
		os.Exit(0)
	}
}

// watched has a thread compute and then sleep, and prints its number; then, when it
// is told to go on, how long a ppoll(2) took that has nothing to wait for.
func watched(timeout time.Duration) {
	var begin, works atomic.Bool
	go func() {
		runtime.LockOSThread()
		fmt.Println(unix.Gettid())
		for !begin.Load() {
		}
		for began := time.Now(); time.Since(began) < work; {
			works.Store(true)
		}
		time.Sleep(time.Hour)
	}()
	bufio.NewReader(os.Stdin).ReadString('\n')
	null, err := os.Open(os.DevNull)
	if err != nil {
		panic(err)
	}
	begin.Store(true)
	for !works.Load() {
	}
	began, t := time.Now(), unix.NsecToTimespec(int64(timeout))
	for {
		_, err := unix.Ppoll([]unix.PollFd{{Fd: int32(null.Fd()), Events: unix.POLLIN}}, &t, nil)
		if err != unix.EINTR {
			break
		}
	}
	fmt.Println(time.Since(began))
}

func TestTheGateHoldsTheMainThreadWhileTheProcessorWorks(t *testing.T) {
	for _, c := range []struct {
		name    string
		follows bool
		timeout time.Duration
		held    bool
	}{
		{"until it sleeps", true, time.Hour, true},
		{"no longer than it would wait by itself", true, 10 * time.Millisecond, false},
		{"not before it follows one", false, time.Hour, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			took := throughGate(t, c.timeout, c.follows)
			if held := took > work/2; held != c.held {
				t.Errorf("ppoll took %v", took)
			}
		})
	}
}

// throughGate is how long the ppoll(2) of a program took that was started with a gate.
func throughGate(t *testing.T, timeout time.Duration, follows bool) time.Duration {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), watchedEnv+"="+timeout.String())
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
	took, err := time.ParseDuration(strings.TrimSpace(line))
	if err := errors.Join(err, <-ended); err != nil {
		t.Fatal(err)
	}
	return took
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
