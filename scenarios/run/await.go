package run

import (
	"context"

	"testbed/agents"
	"testbed/agents/tcp"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
)

// Await waits until a kept connection ends, or the step's timeout passes. The name
// stays taken until the connection is closed.
func (l *Lab) Await(ctx context.Context, x spec.Await) (*verdict.Observation, error) {
	o := &verdict.Observation{Kind: verdict.Await, Title: Title(&spec.Step{Await: &x})}
	c := l.keeps(x.Connection)
	if c == nil {
		return notOpen(o), nil
	}
	if err := l.again(o, c); err != nil {
		return nil, err
	}
	underWay(ctx)
	e, err := tcp.Await(ctx, c.conn, orDefault(x.Timeout))
	if err != nil {
		return nil, err
	}
	o.Outcome, o.Errno, o.Deadline, o.Elapsed = e.Outcome, errnoName(e.Errno), e.Deadline, e.Elapsed
	if c.died != "" && o.Outcome == agents.Closed {
		o.Outcome = c.died
	}
	c.found(e.Outcome, e.Errno)
	if e.Errno != 0 {
		// The kernel's last RST may reach the link after the program has the error.
		l.awaitFrame(ctx, l.capture.Mark(), inNode)
	}
	c.watch.settle(ctx, c, o.Path)
	return o, c.watch.observe(o, c)
}
