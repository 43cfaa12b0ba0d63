package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// listenAs opens a door as another user, who is that of one thread for as long as
// it takes.
func listenAs(t *testing.T, name string, uid int) {
	t.Helper()
	opened := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
			opened <- errno
			return
		}
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: "@" + name, Net: "unix"})
		if err == nil {
			t.Cleanup(func() { l.Close() })
		}
		opened <- err
	}()
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
}

func TestADoorOfAnotherUserIsLeftAlone(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	const me = 65534
	name := fmt.Sprintf("testbed/%d/%d/door_test", me, os.Getpid())
	listenAs(t, name, me-1)
	if _, err := knockAs(name, me); !errors.Is(err, errForeignDoor) {
		t.Errorf("%v, want that it belongs to another user", err)
	}
	if _, err := knockAs(name, me-1); err != nil {
		t.Errorf("the owner may not enter: %v", err)
	}
}

func TestADoorIsItsOwners(t *testing.T) {
	name := fmt.Sprintf("%s%d/door_test_own", doorPrefix(), os.Getpid())
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: "@" + name, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := knock(name)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// start starts a shell as a program of a visitor is started, and waits for its
// first line, a process id.
func start(t *testing.T, script string) (*exec.Cmd, int) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command("sh", "-c", script)
	cmd.Stdout = w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(r, &pid); err != nil {
		t.Fatal(err)
	}
	return cmd, pid
}

func TestWhatAVisitorLeavesInTheBackgroundGoesOn(t *testing.T) {
	c, visitor := net.Pipe()
	defer visitor.Close()
	cmd, background := start(t, "sleep 1000 >/dev/null & echo $!")
	defer syscall.Kill(background, syscall.SIGKILL)
	if code := waitOrLeave(c, cmd); code != 0 {
		t.Errorf("exit code %d", code)
	}
	c.Close()
	visitor.Close()
	// Whatever would end it does so soon.
	for until := time.Now().Add(50 * time.Millisecond); time.Now().Before(until); runtime.Gosched() {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", background))
		if err != nil || strings.Contains(string(b), ") Z ") {
			t.Fatalf("the background program is gone: %q, %v", b, err)
		}
	}
}

func TestAVisitorThatLeavesEndsItsProgram(t *testing.T) {
	c, visitor := net.Pipe()
	defer c.Close()
	cmd, _ := start(t, "echo $$; sleep 1000")
	visitor.Close()
	if code := waitOrLeave(c, cmd); code != 128+int(syscall.SIGKILL) {
		t.Errorf("exit code %d, want that of SIGKILL", code)
	}
}
