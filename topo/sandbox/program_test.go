package sandbox_test

import (
	"bufio"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"testbed/topo/sandbox"
)

// programEnv makes the test binary a program that enters a sandbox; its value is
// one of programs.
const programEnv = "SANDBOX_TEST_PROGRAM"

var programs = map[string]func(){
	"wait":   func() { enter(); fmt.Println("inside"); wait() },
	"deaf":   deaf,
	"nohup":  func() { signal.Ignore(unix.SIGHUP); enter(); fmt.Println("inside"); wait() },
	"print":  func() { enter(); printForEver() },
	"exit":   func() { enter(); os.Exit(2) },
	"first":  first,
	"nice":   nice,
	"heap":   func() { enter(); fmt.Println(debug.SetGCPercent(-1)) },
	"thread": thread,
}

// TestMain runs the tests outside of a sandbox: they are about programs that
// enter one.
func TestMain(m *testing.M) {
	if f := programs[os.Getenv(programEnv)]; f != nil {
		f()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func enter() {
	if err := sandbox.Enter(sandbox.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(sandbox.ExitUnavailable)
	}
}

// wait waits for ever.
func wait() {
	for {
		unix.Pause()
	}
}

// deaf does not hear SIGTERM until a line comes in, as a program does not whose
// runtime has no handlers yet.
func deaf() {
	if sandbox.First() {
		enter()
	}
	signal.Ignore(unix.SIGTERM)
	fmt.Println("deaf")
	bufio.NewReader(os.Stdin).ReadString('\n')
	hear(unix.SIGTERM)
	enter()
	wait()
}

// hear undoes signal.Ignore of SIGTERM, which signal.Reset does not.
func hear(s os.Signal) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, s)
	signal.Stop(c)
}

func printForEver() {
	for {
		fmt.Println("once more")
	}
}

// first prints what a program believes that has a marker.
func first() {
	fmt.Println(sandbox.First(), os.Getenv("TESTBED_SANDBOX"))
}

// nice prints the nice values of its threads.
func nice() {
	if sandbox.First() {
		if err := unix.Setpriority(unix.PRIO_PROCESS, 0, 5); err != nil {
			panic(err)
		}
	}
	enter()
	tasks, err := filepath.Glob("/proc/self/task/*")
	if err != nil {
		panic(err)
	}
	for _, t := range tasks {
		tid, _ := strconv.Atoi(filepath.Base(t))
		p, err := unix.Getpriority(unix.PRIO_PROCESS, tid)
		fmt.Println(20-p, err) // getpriority(2): the system call's is 20 - nice
	}
}

// thread prints whether the main goroutine stays on the main thread.
func thread() {
	for range 1000 {
		go func() { runtime.LockOSThread(); runtime.Gosched() }()
		runtime.Gosched()
	}
	fmt.Println(unix.Gettid() == os.Getpid())
}
