package qemu

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a running emulator. It ends with this program, however that ends.
type Process struct {
	cmd     *exec.Cmd
	monitor *monitor
	console *os.File
	stderr  *tail
	ended   chan struct{}
	kill    sync.Once
}

// Start starts a machine. One that boots runs at once, one with a State waits for
// Resume. The caller closes the process.
func (e *Emulator) Start(m Machine) (_ *Process, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make monitor's sockets: %w", err)
	}
	own, its := os.NewFile(uintptr(pair[0]), "monitor"), os.NewFile(uintptr(pair[1]), "monitor")
	defer its.Close()
	defer own.Close()
	fd, err := unix.MemfdCreate("console", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make console: %w", err)
	}
	p := &Process{console: os.NewFile(uintptr(fd), "console"), stderr: &tail{}, ended: make(chan struct{})}
	if p.monitor, err = newMonitor(own); err != nil {
		p.console.Close()
		return nil, err
	}
	p.cmd = exec.Command(e.Path, m.args()...)
	p.cmd.Stderr = p.stderr
	p.cmd.ExtraFiles = []*os.File{its, m.RAM, m.Channel, p.console}
	if m.State != nil {
		p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, m.State)
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL, Setpgid: true}
	if err := p.start(); err != nil {
		p.monitor.close()
		p.console.Close()
		return nil, fmt.Errorf("start %s: %w", e.Path, err)
	}
	return p, nil
}

// start starts the emulator from a thread that lives until it has ended, since
// the parent-death signal comes when that thread ends (PR_SET_PDEATHSIG(2const)).
func (p *Process) start() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
			close(p.ended)
		}
	}()
	return <-started
}

// Greet waits until the emulator answers.
func (p *Process) Greet(ctx context.Context) error {
	return p.explain(p.monitor.do(ctx, command{Execute: "qmp_capabilities"}))
}

// Save writes the state of a machine that has halted, all but its memory, to a file.
// QEMU's migration reads the host's clock from a thread of its own, which a machine that
// records may not; what was made for Xen writes the same, and does not.
func (p *Process) Save(ctx context.Context, path string) error {
	return p.explain(p.monitor.do(ctx, command{Execute: "xen-save-devices-state", Arguments: map[string]any{"filename": path, "live": false}}))
}

// Resume has a machine with a State go on from it. It would announce itself to a
// network, by timers of the host's clock, and execute nothing while one of them is due.
func (p *Process) Resume(ctx context.Context) error {
	for _, c := range []command{
		{Execute: "migrate-set-capabilities", Arguments: map[string]any{"capabilities": []map[string]any{{"capability": "events", "state": true}}}},
		{Execute: "migrate-set-parameters", Arguments: map[string]any{"announce-rounds": 0}},
		{Execute: "migrate-incoming", Arguments: map[string]any{"uri": fmt.Sprintf("fd:%d", stateFD)}},
	} {
		if err := p.monitor.do(ctx, c); err != nil {
			return p.explain(err)
		}
	}
	if err := p.monitor.awaitMigration(ctx); err != nil {
		return p.explain(err)
	}
	return p.Continue(ctx)
}

// Continue has a machine that has halted go on.
func (p *Process) Continue(ctx context.Context) error {
	return p.explain(p.monitor.do(ctx, command{Execute: "cont"}))
}

// AwaitHalt waits until the guest halts the machine. Every tick it calls look,
// which may end the wait with an error. The error of a machine that ended has
// its console.
func (p *Process) AwaitHalt(ctx context.Context, look func() error) error {
	const tick = 20 * time.Millisecond
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return p.explain(context.Cause(ctx))
		case <-p.ended:
			return p.explain(errEnded)
		case <-p.monitor.halted:
			return nil
		case <-t.C:
		}
		if err := p.checkConsole(); err != nil {
			return p.explain(err)
		}
		if look != nil {
			if err := look(); err != nil {
				return err
			}
		}
	}
}

// Close kills the emulator and waits for its end.
func (p *Process) Close() {
	p.kill.Do(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		p.monitor.close()
		p.console.Close()
	})
}

// maxConsole bounds what a guest may print on its console.
const maxConsole = 64 << 20

func (p *Process) checkConsole() error {
	st, err := p.console.Stat()
	if err == nil && st.Size() > maxConsole {
		return fmt.Errorf("the guest printed more than %d MiB on its console", maxConsole>>20)
	}
	return err
}

// Console is the last lines that the guest's kernel and first process printed.
func (p *Process) Console() string {
	const most = 4 << 10
	st, err := p.console.Stat()
	if err != nil {
		return ""
	}
	b := make([]byte, min(most, st.Size()))
	n, _ := p.console.ReadAt(b, st.Size()-int64(len(b)))
	return strings.TrimSpace(printable(string(b[:n])))
}

// GuestError is a virtual machine that did not do what it should.
type GuestError struct {
	Err error
	// Console and Emulator are the last lines of the guest's console and of the
	// emulator's own messages; either may be empty.
	Console, Emulator string
}

// Error has both, indented.
func (g *GuestError) Error() string {
	var b strings.Builder
	b.WriteString(g.Err.Error())
	for _, part := range []struct{ name, text string }{{"QEMU says", g.Emulator}, {"the guest's console ends with", g.Console}} {
		if part.text != "" {
			fmt.Fprintf(&b, "\n%s:\n  | %s", part.name, strings.ReplaceAll(part.text, "\n", "\n  | "))
		}
	}
	return b.String()
}

// Unwrap is what happened.
func (g *GuestError) Unwrap() error { return g.Err }

// explain adds what the machine has printed. An emulator that hangs up is given a
// moment to say why.
func (p *Process) explain(err error) error {
	if err == nil {
		return nil
	}
	if err == io.EOF || err == errEnded {
		err = errEnded
		select {
		case <-p.ended:
		case <-time.After(time.Second):
		}
	}
	return &GuestError{Err: err, Console: p.Console(), Emulator: printable(p.stderr.String())}
}

// printable drops control characters but line ends.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r >= ' ' && r != 0x7f {
			return r
		}
		return -1
	}, s)
}

// tail keeps the last bytes that were written to it. It is safe for concurrent
// use.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(b []byte) (int, error) {
	const most = 4 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if over := len(t.b) - most; over > 0 {
		t.b = append([]byte(nil), t.b[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.b))
}
