package run

import (
	"context"
	"fmt"
	"time"

	"testbed/agents"
	"testbed/agents/alarm"
	"testbed/agents/exec"
	"testbed/observe/kernel"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
)

// launch starts a program that goes on until the lab closes, and waits until it
// listens where it is to.
func (l *Lab) launch(ctx context.Context, o *verdict.Observation, node int, e spec.Exec, timeout time.Duration) error {
	o.Background, o.Ready = true, e.Ready
	d, err := exec.Launch(l.Program(node), exec.Command{Args: e.Args, Env: e.Env})
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.daemons = append(l.daemons, d)
	l.mu.Unlock()
	if e.Ready != 0 {
		err = l.listened(ctx, o, node, d, timeout)
	}
	o.Elapsed = time.Since(o.Began)
	if o.Deadline || o.Outcome == agents.Failed {
		r := d.Stop()
		o.Exit, o.Stdout, o.Stderr = r.Exit, r.Stdout, r.Stderr
	}
	return err
}

// listened waits until something in a node listens on the port. It looks every
// millisecond: that a socket begins to listen is told of to root alone.
func (l *Lab) listened(ctx context.Context, o *verdict.Observation, node int, d *exec.Daemon, timeout time.Duration) error {
	look, err := kernel.OpenSockets(l.net.Nodes[node].NS)
	if err != nil {
		return fmt.Errorf("wait for a listener: %w", err)
	}
	defer look.Close()
	deadline, err := alarm.Set(timeout)
	if err != nil {
		return err
	}
	defer deadline.Stop()
	again := time.NewTicker(resolution)
	defer again.Stop()
	for {
		if there, err := look.Listens(o.Ready); there || err != nil {
			return err
		}
		select {
		case <-again.C:
		case <-d.Ended:
			o.Outcome = agents.Failed
			return nil
		case <-deadline.C:
			o.Deadline = true
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
