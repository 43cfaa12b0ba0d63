package exec_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"testbed/agents/exec"
	"testbed/topo"
)

// withEtc hides /etc, for the sandbox of the tests alone, behind one that holds a
// file, a folder and a link.
func withEtc(t *testing.T) {
	t.Helper()
	if err := unix.Mount("tmpfs", "/etc", "tmpfs", 0, "size=1m,mode=0755"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount("/etc", unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	for path, content := range map[string]string{"/etc/motto": "festina lente\n", "/etc/deep/er": "still there\n"} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("motto", "/etc/link"); err != nil {
		t.Fatal(err)
	}
}

func TestNamesResolveWhereTheHostHasNoHostsFile(t *testing.T) {
	withEtc(t)
	r := run(t, node(t), time.Minute, "sh", "-c", "cat /etc/hosts /etc/hostname /etc/motto /etc/deep/er /etc/link; cat /etc/nsswitch.conf | grep hosts")
	if want := "198.18.0.2\tserver\nclient\nfestina lente\nstill there\nfestina lente\nhosts: files\n"; r.Stdout != want || r.Exit != 0 {
		t.Errorf("exit %d, stdout %q, want %q; %s", r.Exit, r.Stdout, want, r.Stderr)
	}
	if _, err := os.Stat("/etc/hosts"); !os.IsNotExist(err) {
		t.Errorf("outside of the program there is a hosts file now (%v)", err)
	}
}

func TestADanglingHostsFile(t *testing.T) {
	withEtc(t)
	if err := os.Symlink("/run/nowhere/hosts", "/etc/hosts"); err != nil {
		t.Fatal(err)
	}
	if r := run(t, node(t), time.Minute, "cat", "/etc/hosts"); r.Stdout != "198.18.0.2\tserver\n" {
		t.Errorf("stdout %q; %s", r.Stdout, r.Stderr)
	}
}

// Whoever can't make the surroundings must not say that the program is missing.
func TestAnUnfurnishedNodeIsNoMissingProgram(t *testing.T) {
	n := node(t)
	n.NS.Close()
	_, err := exec.Start(n, exec.Command{Args: []string{"true"}})
	var unfurnished *exec.FurnishError
	if !errors.As(err, &unfurnished) || unfurnished.Node != "client" {
		t.Errorf("%v, want a FurnishError", err)
	}
	_, err = exec.Start(node(t), exec.Command{Args: []string{"no-such-program"}})
	if err == nil || errors.As(err, &unfurnished) {
		t.Errorf("%v, want that there is no such program", err)
	}
}

func TestNodesCanBeFurnished(t *testing.T) {
	if err := exec.Furnish(node(t)); err != nil {
		t.Error(err)
	}
}

func TestResolversAreKnownWhereTheHostHasNone(t *testing.T) {
	withEtc(t)
	if err := os.WriteFile("/etc/hosts", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	n := node(t)
	n.Nameservers, n.Stub = []netip.Addr{netip.MustParseAddr("198.18.0.6"), netip.MustParseAddr("2001:db8::6")}, topo.Stub{}.WithDefaults()
	r := run(t, n, time.Minute, "sh", "-c", "cat /etc/resolv.conf /etc/hosts; grep hosts /etc/nsswitch.conf")
	if want := "nameserver 198.18.0.6\nnameserver 2001:db8::6\noptions timeout:5 attempts:2\n198.18.0.2\tserver\nhosts: files dns\n"; r.Stdout != want {
		t.Errorf("stdout %q, want %q; %s", r.Stdout, want, r.Stderr)
	}
}
