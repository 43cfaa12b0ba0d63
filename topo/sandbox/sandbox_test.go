package sandbox_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"testbed/topo/sandbox"
)

// program is the test binary as one of programs, which ends within 20 s.
func program(t *testing.T, name string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, exe)
	cmd.Env = append(os.Environ(), programEnv+"="+name, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	return cmd
}

// begin starts a program and waits for its first line.
func begin(t *testing.T, cmd *exec.Cmd, line string) (stdin io.WriteCloser, stdout io.ReadCloser) {
	t.Helper()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if stdout, err = cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if got, _ := bufio.NewReader(stdout).ReadString('\n'); got != line+"\n" {
		checkExit(t, cmd.Wait(), -1)
		t.Fatalf("it said %q, want %q", got, line)
	}
	return stdin, stdout
}

// checkExit holds a program's end against an exit code. It skips the test where
// there is no sandbox, unless features are required.
func checkExit(t *testing.T, err error, want int) {
	t.Helper()
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if got == sandbox.ExitUnavailable {
		sandbox.SkipOrFail(t, errors.New("this host allows no sandbox"))
	}
	if got != want {
		t.Errorf("exit code %d, want %d", got, want)
	}
}

func TestASignalThatEndsTheSecondRunIsTheExitCode(t *testing.T) {
	for _, s := range []syscall.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP} {
		t.Run(s.String(), func(t *testing.T) {
			if signal.Ignored(s) {
				t.Skip("the tests were started to ignore it")
			}
			cmd := program(t, "wait")
			begin(t, cmd, "inside")
			cmd.Process.Signal(s)
			checkExit(t, cmd.Wait(), 128+int(s))
		})
	}
}

func TestASignalBeforeTheSecondRunIsAtHomeIsNotLost(t *testing.T) {
	cmd := program(t, "deaf")
	stdin, _ := begin(t, cmd, "deaf")
	cmd.Process.Signal(unix.SIGTERM)
	io.WriteString(stdin, "\n")
	checkExit(t, cmd.Wait(), 128+int(unix.SIGTERM))
}

func TestABrokenPipeIsTheExitCode(t *testing.T) {
	cmd := program(t, "print")
	_, stdout := begin(t, cmd, "once more")
	stdout.Close()
	checkExit(t, cmd.Wait(), 128+int(unix.SIGPIPE))
}

func TestAnExitCodeIsPassedOn(t *testing.T) {
	checkExit(t, program(t, "exit").Run(), 2)
}

func TestAnIgnoredSignalStaysIgnored(t *testing.T) {
	cmd := program(t, "nohup")
	begin(t, cmd, "inside")
	cmd.Process.Signal(unix.SIGHUP)
	cmd.Process.Signal(unix.SIGTERM)
	checkExit(t, cmd.Wait(), 128+int(unix.SIGTERM))
}

// A marker in the environment is not enough, not even for pid 1 with some file
// as descriptor 3.
func TestAMarkerAloneIsNotBelieved(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for _, c := range []struct {
		name string
		pid1 bool
		file *os.File
	}{{"no file", false, nil}, {"pid 1", true, nil}, {"pid 1 with a pipe", true, r}} {
		t.Run(c.name, func(t *testing.T) {
			cmd := program(t, "first")
			cmd.Env = append(cmd.Env, "TESTBED_SANDBOX=root")
			if c.file != nil {
				cmd.ExtraFiles = []*os.File{c.file}
			}
			if c.pid1 {
				cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWUSER}
			}
			out, err := cmd.Output()
			if c.pid1 && errors.Is(err, unix.EPERM) {
				sandbox.SkipOrFail(t, errors.New("this host allows no user namespace"))
			}
			if err != nil || strings.TrimSpace(string(out)) != "true" {
				t.Errorf("printed %q (%v), want true, and no marker left", out, err)
			}
		})
	}
}

func TestTheMainGoroutineStaysOnTheMainThread(t *testing.T) {
	out, err := program(t, "thread").Output()
	if err != nil || string(out) != "true\n" {
		t.Errorf("printed %q (%v)", out, err)
	}
}

func TestGarbageIsCollectedSeldomUnlessTheUserSaysHowOften(t *testing.T) {
	for gogc, want := range map[string]string{"": "400\n", "50": "50\n"} {
		cmd := program(t, "heap")
		cmd.Env = append(cmd.Env, "GOGC="+gogc)
		out, err := cmd.Output()
		checkExit(t, err, 0)
		if string(out) != want {
			t.Errorf("GOGC=%s: %q, want %q", gogc, out, want)
		}
	}
}

func TestNiceIsKept(t *testing.T) {
	out, err := program(t, "nice").Output()
	checkExit(t, err, 0)
	for line := range strings.Lines(string(out)) {
		if line != "5 <nil>\n" {
			t.Errorf("a thread has nice value %s", line)
		}
	}
}
