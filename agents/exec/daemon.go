package exec

import (
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// Daemon is a program that goes on in the background.
type Daemon struct {
	// Ended is closed when it has ended.
	Ended <-chan struct{}

	cmd            *exec.Cmd
	began          time.Time
	stdout, stderr *collector
	exit           int
	elapsed        time.Duration
}

// Launch starts a program that goes on, in a process group of its own, with nothing
// on its standard input. The caller stops it; at the latest it ends with the sandbox.
func Launch(n Node, c Command) (*Daemon, error) {
	d := &Daemon{}
	var err error
	if d.stdout, err = newCollector(); err != nil {
		return nil, err
	}
	if d.stderr, err = newCollector(); err != nil {
		d.stdout.abandon()
		return nil, err
	}
	c.Stdout, c.Stderr = d.stdout.w, d.stderr.w
	d.began = time.Now()
	if d.cmd, err = Start(n, c); err != nil {
		d.stdout.abandon()
		d.stderr.abandon()
		return nil, err
	}
	d.stdout.collect()
	d.stderr.collect()
	ended := make(chan struct{})
	d.Ended = ended
	go func() {
		d.exit = ExitCode(d.cmd.Wait())
		d.elapsed = time.Since(d.began)
		close(ended)
	}()
	return d, nil
}

// Stop ends it with SIGKILL, and all that it has started in its process group, and
// waits for it. It says how it ended and what it wrote until then.
func (d *Daemon) Stop() *Result {
	unix.Kill(-d.cmd.Process.Pid, unix.SIGKILL)
	<-d.Ended
	return &Result{Exit: d.exit, Elapsed: d.elapsed, Stdout: d.stdout.text(), Stderr: d.stderr.text()}
}
