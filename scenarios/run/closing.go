package run

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"testbed/observe"
	"testbed/observe/kernel"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
)

const (
	// resolution is how often sockets are looked at while something may happen to
	// them.
	resolution = time.Millisecond
	// defaultWatch is how long a close step watches that names no timeout.
	defaultWatch = 3 * time.Minute
)

// closing follows the sockets of a connection after it was closed, as sock_diag
// shows them. A nil closing follows nothing.
type closing struct {
	ends    []*closingEnd
	timeout time.Duration
}

// closingEnd is one end's socket.
type closingEnd struct {
	server        bool
	until         observe.State
	look          *kernel.Sockets
	local, remote netip.AddrPort
	// changes are the states that it was seen in, at the first look that saw them;
	// minimal is true once the kernel had made it a smaller one.
	changes []observe.StateChange
	minimal bool
	due     time.Duration
}

// watchClosing prepares to follow both ends, before the connection is closed.
func (l *Lab) watchClosing(c *connection, x spec.Close) (err error) {
	if x.Until == nil {
		return nil
	}
	w := &closing{timeout: x.Timeout}
	if w.timeout == 0 {
		w.timeout = defaultWatch
	}
	c.closing = w
	client := &closingEnd{until: x.Until.Client, local: c.local, remote: c.remote}
	if client.look, err = kernel.OpenSockets(l.net.Nodes[c.from].NS); err != nil {
		return fmt.Errorf("watch %s: %w", x.Connection, err)
	}
	w.ends = append(w.ends, client)
	if c.target < 0 || !c.far[0].IsValid() || !c.far[1].IsValid() {
		if x.Until.Server != "" {
			return errors.Join(fmt.Errorf("watch %s: the server's end was not seen", x.Connection), w.stop())
		}
		return nil
	}
	server := &closingEnd{server: true, until: x.Until.Server, local: c.far[0], remote: c.far[1]}
	if server.look, err = kernel.OpenSockets(l.net.Nodes[c.target].NS); err != nil {
		return errors.Join(fmt.Errorf("watch %s: %w", x.Connection, err), w.stop())
	}
	w.ends = append(w.ends, server)
	return nil
}

// stop gives up what watchClosing opened.
func (w *closing) stop() error {
	if w == nil {
		return nil
	}
	var errs []error
	for _, e := range w.ends {
		errs = append(errs, e.look.Close())
	}
	return errors.Join(errs...)
}

// follow looks at the sockets until each end has been in its state, or the timeout
// has passed. Between two looks it waits for a packet, or for a socket's timer.
func (w *closing) follow(ctx context.Context, l *Lab, o *verdict.Observation) error {
	if w == nil {
		return nil
	}
	o.Resolution = resolution
	active := time.Now()
	for {
		mark := l.capture.Mark()
		reached, err := w.lookAtAll()
		now := time.Now()
		if o.Elapsed = now.Sub(o.Began); err != nil || reached {
			return err
		}
		if o.Elapsed >= w.timeout {
			o.Deadline = true
			return nil
		}
		wait := min(w.due(), w.timeout-o.Elapsed)
		if now.Sub(active) < inNode {
			wait = resolution
		}
		if l.awaitFrame(ctx, mark, max(wait, resolution)) {
			active = time.Now()
			pause(ctx, resolution)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// pause lets time pass, or the context end.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// lookAtAll tells whether each end has been in the state that it is to reach.
func (w *closing) lookAtAll() (reached bool, err error) {
	reached = true
	for _, e := range w.ends {
		s, err := e.look.Find(e.local, e.remote)
		if err != nil {
			return false, err
		}
		e.due, e.minimal = s.Due, e.minimal || s.Minimal
		if n := len(e.changes); n == 0 || e.changes[n-1].State != s.State {
			e.changes = append(e.changes, observe.StateChange{Time: time.Now(), State: s.State})
		}
		reached = reached && (e.until == "" || e.was(e.until))
	}
	return reached, nil
}

// due is when the next timer of a socket is due.
func (w *closing) due() time.Duration {
	due := w.timeout
	for _, e := range w.ends {
		if e.due >= 0 {
			due = min(due, e.due)
		}
	}
	return due
}

func (e *closingEnd) was(s observe.State) bool { return find(e.changes, s) >= 0 }

// complete adds to the states of one end what its smaller socket went through,
// which the tracepoint takes for CLOSED. TIME-WAIT begins with a segment; derived
// are the states that the packets tell.
func (w *closing) complete(seen, derived []observe.StateChange, server bool) []observe.StateChange {
	e := w.end(server)
	if e == nil || !e.minimal {
		return seen
	}
	all := slices.DeleteFunc(slices.Clone(seen), func(c observe.StateChange) bool { return c.State == observe.Closed })
	if i := find(e.changes, observe.TimeWait); i >= 0 && find(all, observe.TimeWait) < 0 {
		entered := e.changes[i]
		if k := find(derived, observe.TimeWait); k >= 0 {
			entered = derived[k]
		}
		if n := len(all); n > 0 && entered.Time.Before(all[n-1].Time) {
			entered.Time = all[n-1].Time // a FIN that is also the ACK of the own one
		}
		all = append(all, entered)
	}
	if i := find(e.changes, observe.Closed); i >= 0 {
		all = append(all, e.changes[i])
	}
	return asLinux(all)
}

// asLinux passes FIN-WAIT-2 on the way to TIME-WAIT, as Linux does, where a FIN
// also acknowledged the end's own one: by RFC 9293, section 3.10.7.4, that leads
// there at once.
func asLinux(states []observe.StateChange) []observe.StateChange {
	i := find(states, observe.TimeWait)
	if i < 1 || states[i-1].State != observe.FinWait1 {
		return states
	}
	return slices.Insert(states, i, observe.StateChange{Time: states[i].Time, State: observe.FinWait2})
}

// end is one end, nil if it is not followed.
func (w *closing) end(server bool) *closingEnd {
	if w == nil {
		return nil
	}
	for _, e := range w.ends {
		if e.server == server {
			return e
		}
	}
	return nil
}

// lasted is how long an end was in a state, the client if both were; nil if none
// was seen to leave it.
func lasted(o *verdict.Observation, s observe.State) *verdict.Lasted {
	for _, end := range []struct {
		changes []observe.StateChange
		server  bool
	}{{o.ClientStates, false}, {o.ServerStates, true}} {
		if i := find(end.changes, s); i >= 0 && i+1 < len(end.changes) {
			return &verdict.Lasted{Duration: end.changes[i+1].Time.Sub(end.changes[i].Time), Server: end.server}
		}
	}
	return nil
}

// find is the index of the first change to a state, -1 if there is none.
func find(changes []observe.StateChange, s observe.State) int {
	return slices.IndexFunc(changes, func(c observe.StateChange) bool { return c.State == s })
}

// awaitFrame waits for a frame after a mark, and tells whether one came in time.
func (l *Lab) awaitFrame(ctx context.Context, mark int, most time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	_, err := l.capture.Wait(ctx, mark, func(f observe.Frame) bool { return !l.isForeign(f) })
	return err == nil
}
