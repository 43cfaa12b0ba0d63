package qemu

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
)

// monitor speaks QMP, QEMU's machine protocol (docs/interop/qmp-spec.rst). It is
// used from one goroutine.
type monitor struct {
	conn    net.Conn
	replies chan reply
	// halted has a halt of the guest that nobody has seen yet.
	halted chan struct{}
	// migrated has the end of loading a state: "completed" or "failed".
	migrated chan string
	// down is closed when QEMU hangs up.
	down chan struct{}
}

type command struct {
	Execute   string         `json:"execute"`
	Arguments map[string]any `json:"arguments,omitempty"`
}

// reply is any of the messages that QEMU sends.
type reply struct {
	Greeting json.RawMessage `json:"QMP"`
	Return   json.RawMessage `json:"return"`
	Error    *struct {
		Class string `json:"class"`
		Desc  string `json:"desc"`
	} `json:"error"`
	Event string `json:"event"`
	Data  struct {
		Status string `json:"status"`
	} `json:"data"`
}

// newMonitor takes the host's end of the socket; f stays the caller's.
func newMonitor(f *os.File) (*monitor, error) {
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("open monitor: %w", err)
	}
	m := &monitor{conn: c, replies: make(chan reply, 8), halted: make(chan struct{}, 1), migrated: make(chan string, 4), down: make(chan struct{})}
	go m.read()
	return m, nil
}

func (m *monitor) close() { m.conn.Close() }

// read hands on replies and notes events until QEMU hangs up.
func (m *monitor) read() {
	defer close(m.down)
	d := json.NewDecoder(m.conn)
	for {
		var r reply
		if d.Decode(&r) != nil {
			return
		}
		switch {
		case r.Event == "GUEST_PANICKED":
			select {
			case m.halted <- struct{}{}:
			default: // one that nobody has seen yet
			}
		case r.Event == "MIGRATION" && (r.Data.Status == "completed" || r.Data.Status == "failed"):
			m.migrated <- r.Data.Status
		case r.Return != nil, r.Error != nil:
			m.replies <- r
		}
	}
}

// do performs a command. It returns io.EOF if QEMU is gone.
func (m *monitor) do(ctx context.Context, c command) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if _, err := m.conn.Write(append(b, '\n')); err != nil {
		return io.EOF
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-m.down:
		return io.EOF
	case r := <-m.replies:
		if r.Error != nil {
			return fmt.Errorf("tell QEMU to %s: %s", c.Execute, r.Error.Desc)
		}
		return nil
	}
}

// awaitMigration waits for the end of loading a state.
func (m *monitor) awaitMigration(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case status := <-m.migrated:
		if status != "completed" {
			return fmt.Errorf("QEMU's loading of the machine's state %s", status)
		}
		return nil
	case <-m.down:
		return io.EOF
	}
}
