package qemu

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// monitor speaks QMP, QEMU's machine protocol (docs/interop/qmp-spec.rst). It is
// used from one goroutine.
type monitor struct {
	conn    *net.UnixConn
	replies chan reply
	// halted is closed by the guest's halt, and made anew by nobody: a machine
	// halts once.
	halted   chan struct{}
	haltOnce sync.Once
	// migrated has a migration's end: "completed" or "failed".
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
	m := &monitor{conn: c.(*net.UnixConn), replies: make(chan reply, 8), halted: make(chan struct{}), migrated: make(chan string, 4), down: make(chan struct{})}
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
			m.haltOnce.Do(func() { close(m.halted) })
		case r.Event == "MIGRATION" && (r.Data.Status == "completed" || r.Data.Status == "failed"):
			m.migrated <- r.Data.Status
		case r.Return != nil, r.Error != nil:
			m.replies <- r
		}
	}
}

// do performs a command, with a file passed along unless it is nil. It returns
// io.EOF if QEMU is gone.
func (m *monitor) do(ctx context.Context, c command, f *os.File) error {
	_, err := m.perform(ctx, c, f)
	return err
}

// ask performs a command and decodes what it returns.
func (m *monitor) ask(ctx context.Context, c command, into any) error {
	b, err := m.perform(ctx, c, nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("ask QEMU to %s: %w", c.Execute, err)
	}
	return nil
}

func (m *monitor) perform(ctx context.Context, c command, f *os.File) (json.RawMessage, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	var rights []byte
	if f != nil {
		rights = unix.UnixRights(int(f.Fd()))
	}
	if _, _, err := m.conn.WriteMsgUnix(append(b, '\n'), rights, nil); err != nil {
		return nil, io.EOF
	}
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-m.down:
		return nil, io.EOF
	case r := <-m.replies:
		if r.Error != nil {
			return nil, fmt.Errorf("tell QEMU to %s: %s", c.Execute, r.Error.Desc)
		}
		return r.Return, nil
	}
}

// awaitMigration waits for the end of saving or loading.
func (m *monitor) awaitMigration(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case status := <-m.migrated:
		if status != "completed" {
			return fmt.Errorf("QEMU's transfer of the machine's state %s", status)
		}
		return nil
	case <-m.down:
		return io.EOF
	}
}
