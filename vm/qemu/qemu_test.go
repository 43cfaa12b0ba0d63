package qemu

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"testbed/topo/sandbox"
)

// newPeer is a monitor and the other end of its socket, where answer gets each
// command and says what QEMU writes; nil hangs up.
func newPeer(t *testing.T, answer func(c command) []string) *monitor {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	own, its := os.NewFile(uintptr(pair[0]), "own"), os.NewFile(uintptr(pair[1]), "its")
	defer own.Close()
	defer its.Close()
	peer, err := net.FileConn(its)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	m, err := newMonitor(own)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.close)
	go func() {
		defer peer.Close()
		for s := bufio.NewScanner(peer); s.Scan(); {
			var c command
			if err := json.Unmarshal(s.Bytes(), &c); err != nil {
				t.Errorf("the monitor says %q: %v", s.Text(), err)
			}
			lines := answer(c)
			if lines == nil {
				return
			}
			for _, l := range lines {
				if _, err := io.WriteString(peer, l+"\n"); err != nil {
					return
				}
			}
		}
	}()
	return m
}

func TestMonitorDo(t *testing.T) {
	tests := map[string]struct {
		answer []string
		want   string
	}{
		"done":           {[]string{`{"return": {}}`}, ""},
		"after greeting": {[]string{`{"QMP": {"version": {}}}`, `{"event": "STOP", "data": {}}`, `{"return": {}}`}, ""},
		"refused":        {[]string{`{"error": {"class": "GenericError", "desc": "no such thing"}}`}, "tell QEMU to cont: no such thing"},
		"hung up":        {nil, io.EOF.Error()},
		"garbage":        {[]string{"Segmentation fault"}, io.EOF.Error()},
		"other JSON":     {[]string{`[1, 2]`}, io.EOF.Error()},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			m := newPeer(t, func(got command) []string {
				if got.Execute != "cont" {
					t.Errorf("command %q, want cont", got.Execute)
				}
				return c.answer
			})
			err := m.do(t.Context(), command{Execute: "cont"})
			if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestMonitorIsPatientUntilTheContextEnds(t *testing.T) {
	m := newPeer(t, func(command) []string { return []string{} })
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	if err := m.do(ctx, command{Execute: "cont"}); err != enough {
		t.Errorf("do gives %v, want %v", err, enough)
	}
	if err := m.awaitMigration(ctx); err != enough {
		t.Errorf("awaitMigration gives %v, want %v", err, enough)
	}
}

func TestMonitorNotesEvents(t *testing.T) {
	m := newPeer(t, func(command) []string {
		return []string{
			`{"event": "MIGRATION", "data": {"status": "active"}}`, `{"event": "MIGRATION", "data": {"status": "completed"}}`,
			`{"event": "GUEST_PANICKED", "data": {"action": "pause"}}`, `{"event": "GUEST_PANICKED"}`, `{"return": {}}`,
			`{"event": "MIGRATION", "data": {"status": "failed"}}`,
		}
	})
	if err := m.do(t.Context(), command{Execute: "migrate-incoming"}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-m.halted:
	default:
		t.Error("the halt was not noted")
	}
	if err := m.awaitMigration(t.Context()); err != nil {
		t.Errorf("the first transfer: %v", err)
	}
	if err := m.awaitMigration(t.Context()); err == nil || !strings.Contains(err.Error(), "failed") {
		t.Errorf("a transfer that failed gives error %v", err)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	for _, name := range []string{"", "no-such-emulator", filepath.Join(dir, "none")} {
		t.Setenv(Override, name)
		_, err := Find()
		var missing *sandbox.Unavailable
		if !errors.As(err, &missing) {
			t.Fatalf("%q: error %v, want an Unavailable", name, err)
		}
		if !strings.Contains(missing.Remedy, "qemu-system-x86") || !strings.Contains(missing.Remedy, Override) {
			t.Errorf("%q: remedy %q names no package, or not %s", name, missing.Remedy, Override)
		}
	}
	own := filepath.Join(dir, "own")
	if err := os.WriteFile(own, []byte("#!/bin/sh\necho QEMU emulator version 1\necho more\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv(Override, own)
	e, err := Find()
	if err != nil {
		t.Fatal(err)
	}
	v, err := e.Version(t.Context())
	if e.Path != own || !strings.Contains(e.Identity, own) || v != "QEMU emulator version 1" || err != nil {
		t.Errorf("%+v, version %q, %v", e, v, err)
	}
}

// TestStartOfWhatIsNoEmulator sees that its last words are in the error.
func TestStartOfWhatIsNoEmulator(t *testing.T) {
	own := filepath.Join(t.TempDir(), "own")
	if err := os.WriteFile(own, []byte("#!/bin/sh\necho 'bad \x1b[31moption' >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	p, err := (&Emulator{Path: own}).Start(Machine{RAM: null, Channel: null})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	err = p.Greet(t.Context())
	var g *GuestError
	if !errors.As(err, &g) || err.Error() != "the virtual machine ended\nQEMU says:\n  | bad [31moption" {
		t.Errorf("error %q", err)
	}
	if _, err := (&Emulator{Path: own + "-none"}).Start(Machine{RAM: null, Channel: null}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an emulator that is not there gives error %v", err)
	}
}

func TestGuestErrorText(t *testing.T) {
	cause := errors.New("it ended")
	for want, g := range map[string]*GuestError{
		"it ended":                    {Err: cause},
		"it ended\nQEMU says:\n  | a": {Err: cause, Emulator: "a"},
		"it ended\nQEMU says:\n  | a\nthe guest's console ends with:\n  | b\n  | c": {Err: cause, Emulator: "a", Console: "b\nc"},
	} {
		if got := g.Error(); got != want || !errors.Is(g, cause) {
			t.Errorf("error %q, want %q", got, want)
		}
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var w tail
	for range 100 {
		if n, err := w.Write([]byte(strings.Repeat("x", 99) + "\n")); n != 100 || err != nil {
			t.Fatal(n, err)
		}
	}
	if _, err := w.Write([]byte("the end\n")); err != nil {
		t.Fatal(err)
	}
	if got := w.String(); len(got) > 4<<10 || !strings.HasSuffix(got, "x\nthe end") {
		t.Errorf("%d bytes are kept, with the end %q", len(got), got[max(0, len(got)-20):])
	}
}
