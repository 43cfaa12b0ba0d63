package machine_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"testbed/vm"
	"testbed/vm/guest"
	"testbed/vm/kernel"
	"testbed/vm/machine"
	"testbed/vm/qemu"
)

// controllerEnv makes the test binary a program that has a guest of the named
// kernel hang.
const controllerEnv = "MACHINE_TEST_CONTROLLER"

// TestMain gives the tests a store of snapshots of their own.
func TestMain(m *testing.M) {
	guest.Main(guest.Program{Do: perform})
	if name := os.Getenv(controllerEnv); name != "" {
		fmt.Fprintln(os.Stderr, control(name))
		os.Exit(1)
	}
	os.Exit(inOwnStore(m.Run))
}

func inOwnStore(run func() int) int {
	kernels, err := kernel.Default()
	if err != nil {
		panic(err)
	}
	dir, err := os.MkdirTemp("", "machine-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Symlink(kernels.Dir, filepath.Join(dir, "kernels")); err != nil {
		panic(err)
	}
	os.Setenv(kernel.CacheEnv, dir)
	return run()
}

// control starts a job that never ends, and says when it has begun.
func control(name string) error {
	k, err := kernel.Find(name)
	if err != nil {
		return err
	}
	q, err := qemu.Find()
	if err != nil {
		return err
	}
	m, err := machine.Open(context.Background(), machine.Options{Kernel: k, Emulator: q})
	if err != nil {
		return err
	}
	_, err = m.Do(context.Background(), &vm.Job{Args: []string{"hang"}}, func(vm.Record) error {
		_, err := fmt.Println("begun")
		return err
	})
	return err
}

// deeds are what this test binary does as a guest, by the job's first argument.
var deeds = map[string]func(job *vm.Job, emit func(vm.Record) error) error{
	"nothing": func(*vm.Job, func(vm.Record) error) error { return nil },
	"speak":   speak,
	"files":   files,
	"random":  random,
	"sleep":   sleep,
	"naps":    naps,
	"idle":    idle,
	"panic":   func(*vm.Job, func(vm.Record) error) error { return os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0) },
	"exit": func(*vm.Job, func(vm.Record) error) error {
		os.Exit(9)
		return nil
	},
	"hang":  hang,
	"flood": flood,
}

func perform(job *vm.Job, emit func(vm.Record) error) int {
	if err := deeds[job.Args[0]](job, emit); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 3
}

// naps sleeps again and again and tells each time when it woke, by the guest's clock.
func naps(*vm.Job, func(vm.Record) error) error {
	for range 1000 {
		t := unix.NsecToTimespec(time.Now().Add(777 * time.Millisecond).UnixNano())
		if err := unix.ClockNanosleep(unix.CLOCK_REALTIME, unix.TIMER_ABSTIME, &t, nil); err != nil && err != unix.EINTR {
			return err
		}
		fmt.Println(time.Now().UnixNano())
	}
	return nil
}

// idle prints how often the processor's timer interrupted it in a quarter of an hour of
// nothing to do.
func idle(*vm.Job, func(vm.Record) error) error {
	before, err := timerInterrupts()
	if err != nil {
		return err
	}
	time.Sleep(15 * time.Minute) // of the guest's time, which jumps over it
	after, err := timerInterrupts()
	fmt.Println(after - before)
	return err
}

// timerInterrupts is how many there have been since the boot (proc_interrupts(5)).
func timerInterrupts() (n int, err error) {
	b, err := os.ReadFile("/proc/interrupts")
	if err != nil {
		return 0, err
	}
	_, line, _ := strings.Cut(string(b), "LOC:")
	_, err = fmt.Sscan(line, &n)
	return n, err
}

func speak(job *vm.Job, emit func(vm.Record) error) error {
	fmt.Println("to standard output")
	fmt.Fprintln(os.Stderr, "to standard error")
	for _, e := range []string{"first", "second"} {
		if err := emit(vm.Record{Kind: vm.Event, Data: []byte(e)}); err != nil {
			return err
		}
	}
	fmt.Printf("%q %q %s %s\n", os.Args[1:], os.Getenv("WORD"), job.Payload, os.Getenv(vm.Marker))
	return nil
}

// files prints what lies below /laid.
func files(*vm.Job, func(vm.Record) error) error {
	return filepath.WalkDir("/laid", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if d.IsDir() {
			content, err = nil, nil
		}
		fmt.Printf("%v %s %q %v\n", info.Mode(), path, content, err)
		return nil
	})
}

// random prints what the kernel chooses: random bytes, and the ports of a listener
// and of a connection to it.
func random(*vm.Job, func(vm.Record) error) error {
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		return err
	}
	urandom := make([]byte, 16)
	f, err := os.Open("/dev/urandom")
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Read(urandom); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Printf("%x\n%x\n%v\n%v\n", b, urandom, l.Addr(), c.LocalAddr())
	return nil
}

// sleep prints how long a sleep took, and when it began. It is the kernel's own:
// Go's runtime waits in epoll_pwait, which may be late by a thousandth, up to
// 100 ms (fs/select.c, select_estimate_accuracy).
func sleep(job *vm.Job, _ func(vm.Record) error) error {
	d, err := time.ParseDuration(job.Args[1])
	if err != nil {
		return err
	}
	ts := unix.NsecToTimespec(int64(d))
	began := time.Now()
	if err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &ts, nil); err != nil {
		return err
	}
	fmt.Println(int64(time.Since(began)), began.UnixNano())
	return nil
}

// hang says that it has begun, and never ends.
func hang(_ *vm.Job, emit func(vm.Record) error) error {
	if err := emit(vm.Record{Kind: vm.Event, Data: []byte("begun")}); err != nil {
		return err
	}
	for i := 0; ; i++ {
		_ = i
	}
}

// flood writes more than the channel holds, and goes on in spite of the error.
func flood(_ *vm.Job, emit func(vm.Record) error) error {
	var failed error
	for range 200 {
		failed = errors.Join(failed, emit(vm.Record{Kind: vm.Event, Data: make([]byte, 1<<20)}))
	}
	return failed
}
