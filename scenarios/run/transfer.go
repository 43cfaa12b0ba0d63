package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"testbed/agents"
	"testbed/agents/tcp"
	"testbed/observe/kernel"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

// defaultTransfer is the timeout of a transfer that names none.
const defaultTransfer = time.Minute

// Transfer moves many bytes across a kept connection.
func (l *Lab) Transfer(ctx context.Context, x spec.Transfer) (*verdict.Observation, error) {
	o := &verdict.Observation{Kind: verdict.Transferring, Title: Title(&spec.Step{Transfer: &x})}
	c := l.keeps(x.Connection)
	if c == nil {
		return notOpen(o), nil
	}
	if err := l.again(o, c); err != nil {
		return nil, err
	}
	o.Transfer = &verdict.Transfer{Receive: x.Receive > 0, Wanted: max(x.Send, x.Receive)}
	if o.Detail = l.noSource(c, x); o.Detail != "" {
		o.Outcome = agents.Failed
		return o, nil
	}
	account, err := l.account(c, x)
	if err != nil {
		return nil, err
	}
	defer account.close()
	underWay(ctx)
	t, err := move(ctx, c, x)
	if err != nil {
		return nil, err
	}
	o.Outcome, o.Errno, o.Deadline, o.Elapsed, o.Transfer.Bytes = t.Outcome, errnoName(t.Errno), t.Deadline, t.Elapsed, t.Bytes
	c.found(t.Outcome, t.Errno)
	if o.Transfer.Sender, err = account.end(); err != nil {
		return nil, err
	}
	l.rest(ctx, o.Path)
	return o, c.watch.observeTransfer(o, c)
}

func move(ctx context.Context, c *connection, x spec.Transfer) (*tcp.Transferred, error) {
	timeout := x.Timeout
	if timeout == 0 {
		timeout = defaultTransfer
	}
	if x.Receive > 0 {
		return tcp.Receive(ctx, c.conn, x.Receive, timeout)
	}
	return tcp.Send(ctx, c.conn, x.Send, timeout)
}

// noSource says why a server of the testbed's would not send what it is asked for;
// empty where it may.
func (l *Lab) noSource(c *connection, x spec.Transfer) string {
	if x.Receive == 0 || c.target < 0 {
		return ""
	}
	r := l.servers[c.target][c.remote.Port()]
	if r == nil || r.listener.Serve == topo.ServeSource {
		return ""
	}
	return fmt.Sprintf("port %d of %s serves %s, which does not send what it is asked for: receive wants serve: source",
		c.remote.Port(), l.net.Plan.Nodes[c.target].Name, r.listener.Serve)
}

// rest waits until no frame has crossed the links for as long as one may take along
// the path, or for the time there and back and some patience.
func (l *Lab) rest(ctx context.Context, path verdict.Path) {
	ctx, cancel := context.WithTimeout(ctx, path.RTT()+patience)
	defer cancel()
	longest := max(path.OWD(), path.RTT()-path.OWD()) + inNode
	for l.awaitFrame(ctx, l.capture.Mark(), longest) && ctx.Err() == nil {
	}
}

// account is the sending kernel's view of a transfer.
type account struct {
	read   func() (*unix.TCPInfo, error)
	look   *kernel.Sockets
	before *unix.TCPInfo
}

// account asks the sender's kernel before a transfer begins. It has nothing to say of
// a server that was not seen.
func (l *Lab) account(c *connection, x spec.Transfer) (*account, error) {
	a := &account{read: func() (*unix.TCPInfo, error) { return tcp.Facts(c.conn) }}
	var err error
	if x.Receive > 0 {
		if c.target < 0 || !c.far[0].IsValid() || !c.far[1].IsValid() {
			return nil, nil
		}
		if a.look, err = kernel.OpenSockets(l.net.Nodes[c.target].NS); err != nil {
			return nil, err
		}
		a.read = func() (*unix.TCPInfo, error) { return a.look.Info(c.far[0], c.far[1]) }
	}
	if a.before, err = a.read(); errors.Is(err, kernel.ErrNoSocket) {
		return nil, a.close()
	} else if err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

// end is what has changed; nil where the socket is gone.
func (a *account) end() (*verdict.Sender, error) {
	if a == nil {
		return nil, nil
	}
	now, err := a.read()
	if errors.Is(err, kernel.ErrNoSocket) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	micro := func(n uint64) time.Duration { return time.Duration(n) * time.Microsecond }
	return &verdict.Sender{
		Retransmissions: int(now.Total_retrans - a.before.Total_retrans),
		RTT:             micro(uint64(now.Rtt)), MinRTT: micro(uint64(now.Min_rtt)),
		WindowLimited: micro(now.Rwnd_limited - a.before.Rwnd_limited),
	}, nil
}

func (a *account) close() error {
	if a == nil || a.look == nil {
		return nil
	}
	return a.look.Close()
}
