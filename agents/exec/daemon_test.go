package exec_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"testbed/agents/exec"
)

func launch(t *testing.T, line string) *exec.Daemon {
	t.Helper()
	d, err := exec.Launch(node(t), exec.Command{Args: []string{"sh", "-c", line}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestADaemonEndsWithItsProcessGroup(t *testing.T) {
	told := filepath.Join(t.TempDir(), "told")
	if err := unix.Mkfifo(told, 0o600); err != nil {
		t.Fatal(err)
	}
	d := launch(t, "sleep 1000 & echo $! >"+told+"; wait")
	text, err := os.ReadFile(told)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	child, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(child)
	if r := d.Stop(); r.Exit != 128+9 {
		t.Errorf("exit %d, want SIGKILL", r.Exit)
	}
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(child), Events: unix.POLLIN}}, 10_000); n != 1 || err != nil {
		t.Errorf("what it started goes on (%v)", err)
	}
}

func TestADaemonThatEndsByItself(t *testing.T) {
	d := launch(t, "echo out; echo oops >&2; exit 3")
	<-d.Ended
	if r := d.Stop(); r.Exit != 3 || r.Stdout != "out\n" || r.Stderr != "oops\n" {
		t.Errorf("%+v", r)
	}
}
