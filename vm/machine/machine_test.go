package machine_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"testbed/vm"
	"testbed/vm/guesttest"
	"testbed/vm/machine"
	"testbed/vm/qemu"
)

// jobs are the tests that run on a machine of each kernel.
var jobs = []struct {
	name string
	test func(*testing.T, *machine.Machine)
}{
	{"output", testOutput},
	{"files", testFiles},
	{"seed", testSeed},
	{"sleep", testSleep},
	{"idle", testIdle},
	{"busy-host", testBusyHost},
	{"death", testDeath},
	{"deadline", testDeadline},
	{"flood", testFlood},
	{"refused-record", testRefusedRecord},
	{"cancel", testCancel},
	{"killed", testKilled},
}

func TestJobs(t *testing.T) {
	for _, name := range guesttest.Names() {
		t.Run("linux-"+name, func(t *testing.T) {
			m := guesttest.Open(t, name)
			for _, j := range jobs {
				t.Run(j.name, func(t *testing.T) { j.test(t, m) })
			}
		})
	}
}

// result is what came of a job.
type result struct {
	code           int
	stdout, stderr string
	events         []string
}

func do(t *testing.T, m *machine.Machine, job *vm.Job) result {
	t.Helper()
	r, err := try(t.Context(), m, job)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func try(ctx context.Context, m *machine.Machine, job *vm.Job) (r result, err error) {
	r.code, err = m.Do(ctx, job, func(rec vm.Record) error {
		switch rec.Kind {
		case vm.Stdout:
			r.stdout += string(rec.Data)
		case vm.Stderr:
			r.stderr += string(rec.Data)
		case vm.Event:
			r.events = append(r.events, string(rec.Data))
		default:
			return fmt.Errorf("record of kind %d", rec.Kind)
		}
		return nil
	})
	return r, err
}

func testOutput(t *testing.T, m *machine.Machine) {
	r := do(t, m, &vm.Job{Args: []string{"speak", "a b"}, Env: []string{"WORD=x=y"}, Payload: []byte("payload")})
	if want := "to standard output\n[\"speak\" \"a b\"] \"x=y\" payload \n"; r.stdout != want {
		t.Errorf("standard output %q, want %q", r.stdout, want)
	}
	if want := "to standard error\n"; r.stderr != want {
		t.Errorf("standard error %q, want %q", r.stderr, want)
	}
	if got := strings.Join(r.events, " "); got != "first second" || r.code != 3 {
		t.Errorf("events %q, code %d, want first second, 3", got, r.code)
	}
}

func testFiles(t *testing.T, m *machine.Machine) {
	r := do(t, m, &vm.Job{Args: []string{"files"}, Files: []vm.File{
		{Path: "/laid/a/deep/script", Mode: 0o750, Data: []byte("#!/bin/sh\n")},
		{Path: "/laid/empty", Mode: 0o400},
		{Path: "/laid/folder", Mode: os.ModeDir | 0o700},
		{Path: "/laid/link", Link: "a/deep/script"},
		{Path: "/laid/nowhere", Link: "/none"},
	}})
	const want = `drwxr-xr-x /laid "" <nil>
drwxr-xr-x /laid/a "" <nil>
drwxr-xr-x /laid/a/deep "" <nil>
-rwxr-x--- /laid/a/deep/script "#!/bin/sh\n" <nil>
-r-------- /laid/empty "" <nil>
drwx------ /laid/folder "" <nil>
Lrwxrwxrwx /laid/link "#!/bin/sh\n" <nil>
Lrwxrwxrwx /laid/nowhere "" open /laid/nowhere: no such file or directory
`
	if r.stdout != want {
		t.Errorf("files are\n%s\nwant\n%s", r.stdout, want)
	}
	_, err := try(t.Context(), m, &vm.Job{Args: []string{"files"}, Files: []vm.File{{Path: "relative"}}})
	if err == nil || !strings.Contains(err.Error(), "lay down relative: the path is not absolute") {
		t.Errorf("a relative path gives error %v", err)
	}
}

func testSeed(t *testing.T, m *machine.Machine) {
	say := func(seed uint64) string { return do(t, m, &vm.Job{Seed: seed, Args: []string{"random"}}).stdout }
	first, again, other := say(1), say(1), say(2)
	if again != first {
		t.Errorf("seed 1 gives\n%s\nand then\n%s", first, again)
	}
	a, b := strings.Split(first, "\n"), strings.Split(other, "\n")
	for i, what := range []string{"getrandom's bytes", "urandom's bytes", "listener's address", "connection's address"} {
		if a[i] == b[i] {
			t.Errorf("seeds 1 and 2 give the same %s: %s", what, a[i])
		}
	}
}

// An idle guest is woken by little but its timer, which can be set for 2.3 s.
func testIdle(t *testing.T, m *machine.Machine) {
	r := do(t, m, &vm.Job{Args: []string{"idle"}})
	n, err := strconv.Atoi(strings.TrimSpace(r.stdout))
	if err != nil {
		t.Fatal(err)
	}
	if n < 15*60/3 || n > 2*15*60 {
		t.Errorf("%d interrupts in 15 minutes, want two a second at most", n)
	}
}

// testBusyHost holds that every wake of a guest comes at the same nanosecond, however
// the host schedules the emulator's threads.
func testBusyHost(t *testing.T, m *machine.Machine) {
	const times, loops = 6, 8
	for range loops {
		loop := exec.CommandContext(t.Context(), "sh", "-c", "while :; do :; done")
		loop.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := loop.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			loop.Process.Kill()
			loop.Wait()
		}()
	}
	first := strings.Fields(do(t, m, &vm.Job{Args: []string{"naps"}, Seed: 1}).stdout)
	for i := range times - 1 {
		again := strings.Fields(do(t, m, &vm.Job{Args: []string{"naps"}, Seed: 1}).stdout)
		for k := range first {
			if len(again) != len(first) || again[k] != first[k] {
				t.Fatalf("run %d woke otherwise the %d-th time: at %s, not %s", i+2, k+1, again[k], first[k])
			}
		}
	}
}

func testSleep(t *testing.T, m *machine.Machine) {
	const d, most = 1000 * time.Second, time.Millisecond
	r := do(t, m, &vm.Job{Args: []string{"sleep", d.String()}})
	var took time.Duration
	var began int64
	if _, err := fmt.Sscan(r.stdout, &took, &began); err != nil {
		t.Fatal(err)
	}
	if took < d || took > d+most {
		t.Errorf("a sleep of %v took %v by the guest's clock, want at most %v more", d, took, most)
	}
	if now := time.Unix(0, began); now.Before(vm.Epoch) || now.After(vm.Epoch.Add(time.Minute)) {
		t.Errorf("the job began at %v, want about %v", now.UTC(), vm.Epoch)
	}
}

// testDeath has guests end in the middle of a job.
func testDeath(t *testing.T, m *machine.Machine) {
	for _, c := range []struct{ deed, console string }{
		{"panic", "sysrq triggered crash"},
		{"exit", "Attempted to kill init! exitcode=0x00000900"},
	} {
		r, err := try(t.Context(), m, &vm.Job{Args: []string{c.deed}})
		var g *qemu.GuestError
		if !errors.As(err, &g) {
			t.Fatalf("%s gives %+v and error %v, want a GuestError", c.deed, r, err)
		}
		if !strings.Contains(g.Console, c.console) {
			t.Errorf("%s: the console %q lacks %q", c.deed, g.Console, c.console)
		}
	}
}

func testDeadline(t *testing.T, m *machine.Machine) {
	q, err := qemu.Find()
	if err != nil {
		t.Fatal(err)
	}
	const most = 2 * time.Second
	hasty, err := machine.Open(t.Context(), machine.Options{Kernel: m.Kernel(), Emulator: q, Deadline: most})
	if err != nil {
		t.Fatal(err)
	}
	defer hasty.Close()
	_, err = try(t.Context(), hasty, &vm.Job{Args: []string{"hang"}})
	if err == nil || !strings.Contains(err.Error(), "the guest was not done after 2s") {
		t.Errorf("a guest that hangs gives error %v", err)
	}
	checkNoChildren(t, os.Getpid())
}

func testFlood(t *testing.T, m *machine.Machine) {
	_, err := m.Do(t.Context(), &vm.Job{Args: []string{"flood"}}, nil)
	if err == nil || !strings.Contains(err.Error(), "the guest's output exceeds 128 MiB") {
		t.Errorf("a flood gives error %v", err)
	}
}

func testRefusedRecord(t *testing.T, m *machine.Machine) {
	refused := errors.New("refused")
	_, err := m.Do(t.Context(), &vm.Job{Args: []string{"hang"}}, func(vm.Record) error { return refused })
	if !errors.Is(err, refused) {
		t.Errorf("error %v, want %v", err, refused)
	}
	checkNoChildren(t, os.Getpid())
}

func testCancel(t *testing.T, m *machine.Machine) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := m.Do(ctx, &vm.Job{Args: []string{"hang"}}, func(vm.Record) error {
		if len(children(t, os.Getpid())) != 1 {
			t.Error("the emulator is not to be seen among this program's children")
		}
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	checkNoChildren(t, os.Getpid())
}

// testKilled kills a program while its guest works, and sees the emulator go.
func testKilled(t *testing.T, m *machine.Machine) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(exe)
	c.Env = append(os.Environ(), controllerEnv+"="+m.Kernel().Release)
	var stderr strings.Builder
	c.Stderr = &stderr
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	emulators := children(t, c.Process.Pid)
	_ = c.Process.Kill()
	_, _ = io.Copy(io.Discard, stdout)
	_ = c.Wait()
	if err != nil || line != "begun\n" || len(emulators) != 1 {
		t.Fatalf("the program says %q, %v, %s, and has children %v", line, err, stderr.String(), emulators)
	}
	awaitEnd(t, emulators[0])
}

// process is one of the host's; a number alone is used again.
type process struct {
	pid   int
	began string
}

// children are a process's.
func children(t *testing.T, parent int) (list []process) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		if state, ppid, p := readStat(path); ppid == parent && state != "Z" {
			list = append(list, p)
		}
	}
	return list
}

// readStat reads proc_pid_stat(5).
func readStat(path string) (state string, ppid int, p process) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", 0, process{}
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	const stateAt, ppidAt, beganAt = 0, 1, 19
	f := strings.Fields(rest)
	ppid, _ = strconv.Atoi(f[ppidAt])
	p.pid, _ = strconv.Atoi(filepath.Base(filepath.Dir(path)))
	p.began = f[beganAt]
	return f[stateAt], ppid, p
}

// patience is far more than the kernel needs to end a process.
const patience = time.Minute

func checkNoChildren(t *testing.T, parent int) {
	t.Helper()
	for _, p := range children(t, parent) {
		t.Errorf("process %d is left", p.pid)
	}
}

func awaitEnd(t *testing.T, p process) {
	t.Helper()
	for began := time.Now(); time.Since(began) < patience; time.Sleep(10 * time.Millisecond) {
		state, _, now := readStat(fmt.Sprintf("/proc/%d/stat", p.pid))
		if now != p || state == "Z" {
			return
		}
	}
	_ = syscall.Kill(p.pid, syscall.SIGKILL)
	t.Errorf("emulator %d has outlived its program by %v", p.pid, patience)
}
