package exec_test

import (
	"bufio"
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"testbed/agents/exec"
	"testbed/topo"
	"testbed/topo/netns"
	"testbed/topo/sandbox"
)

func TestMain(m *testing.M) { sandbox.TestMain(m) }

func node(t *testing.T) exec.Node {
	t.Helper()
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	return exec.Node{NS: ns, Name: "client", Hosts: []topo.HostEntry{{Addr: netip.MustParseAddr("198.18.0.2"), Name: "server"}}}
}

func run(t *testing.T, n exec.Node, timeout time.Duration, args ...string) *exec.Result {
	t.Helper()
	r, err := exec.Run(context.Background(), n, exec.Command{Args: args, Env: []string{"GREETING=hello"}}, timeout)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAProgramSeesItsNode(t *testing.T) {
	before, err := os.ReadFile("/etc/hosts")
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, node(t), time.Minute, "sh", "-c", "cat /etc/hosts /proc/sys/kernel/hostname; echo $GREETING; echo oops >&2; grep -c : /proc/net/dev; exit 3")
	if r.Exit != 3 || r.Stderr != "oops\n" {
		t.Errorf("exit %d, stderr %q", r.Exit, r.Stderr)
	}
	if want := "198.18.0.2\tserver\nclient\nhello\n1\n"; r.Stdout != want {
		t.Errorf("stdout is %q, want %q", r.Stdout, want)
	}
	if after, err := os.ReadFile("/etc/hosts"); err != nil || string(after) != string(before) {
		t.Errorf("/etc/hosts outside changed (%v)", err)
	}
}

func TestTimeEndsTheWholeGroup(t *testing.T) {
	r := run(t, node(t), 50*time.Millisecond, "sh", "-c", "sleep 1000 & sleep 1000")
	if !r.Deadline || r.Exit != 128+9 {
		t.Errorf("deadline %t, exit %d; want SIGKILL", r.Deadline, r.Exit)
	}
}

func TestWhatIsLeftInTheBackgroundGoesOn(t *testing.T) {
	r := run(t, node(t), time.Minute, "sh", "-c", "sleep 1000 & echo started $!")
	pid, ok := strings.CutPrefix(strings.TrimSpace(r.Stdout), "started ")
	if !ok || r.Exit != 0 {
		t.Fatalf("exit %d, stdout %q", r.Exit, r.Stdout)
	}
	if _, err := os.Stat("/proc/" + pid); err != nil {
		t.Errorf("the background program is gone: %v", err)
	}
}

func TestOutputIsBounded(t *testing.T) {
	r := run(t, node(t), time.Minute, "sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x")
	s := bufio.NewScanner(strings.NewReader(r.Stdout))
	s.Buffer(nil, 2*exec.MaxOutput)
	s.Scan()
	if len(s.Text()) != exec.MaxOutput || !s.Scan() || !strings.Contains(s.Text(), "more bytes were not kept") {
		t.Errorf("%d bytes, then %q", len(r.Stdout), s.Text())
	}
}

func TestAProgramThatIsNotThere(t *testing.T) {
	_, err := exec.Run(context.Background(), node(t), exec.Command{Args: []string{"no-such-program"}}, time.Minute)
	if err == nil || !strings.Contains(err.Error(), "no-such-program") {
		t.Errorf("%v, want an error that names it", err)
	}
}

func TestCancelEndsIt(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := exec.Run(ctx, node(t), exec.Command{Args: []string{"sleep", "1000"}}, time.Minute)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want cancelled", err)
	}
}
