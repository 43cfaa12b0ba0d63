package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// rig is a progress line with a clock and ticks of the test's own.
type rig struct {
	*Progress
	out   *bytes.Buffer
	now   time.Time
	ticks chan time.Time
}

func newRig(columns int) *rig {
	r := &rig{out: &bytes.Buffer{}, now: began, ticks: make(chan time.Time)}
	r.Progress = newProgress(r.out, true, func() int { return columns }, func() time.Time { return r.now }, r.ticks)
	return r
}

// tick lets time pass and one redraw happen. Two sends: the second is taken
// only after the first has been drawn.
func (r *rig) tick(d time.Duration) string {
	r.mu.Lock()
	r.now = r.now.Add(d)
	r.out.Reset()
	r.mu.Unlock()
	r.ticks <- r.now
	r.ticks <- r.now
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.String()
}

const eraseLine = "\r\x1b[K"

func TestProgress(t *testing.T) {
	r := newRig(80)
	defer r.Close()
	if got := r.tick(0); got != "" {
		t.Errorf("with nothing to tell it wrote %q", got)
	}
	r.Start("alpha", 2)
	r.Step("alpha", 1, "connect server:80 from client\x1b[1m")
	r.Start("beta", 1)
	if got, want := r.tick(4*time.Second), "\ralpha 4s | step 1 of 2: connect server:80 from client\\x1b[1m | beta 4s\x1b[K"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := r.tick(0); got != "" {
		t.Errorf("an unchanged line was written again: %q", got)
	}
	r.Done("alpha", false)
	if got, want := r.tick(time.Second), "\r1 done, 1 failed | beta 5s\x1b[K"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	r.Done("beta", true)
	if got := r.tick(0); got != eraseLine {
		t.Errorf("after the last scenario it wrote %q", got)
	}
}

func TestProgressPrint(t *testing.T) {
	r := newRig(80)
	r.Start("alpha", 1)
	r.tick(time.Second)
	r.out.Reset()
	r.Print(func(w io.Writer) { fmt.Fprintln(w, "beta  ok") })
	if got, want := r.out.String(), eraseLine+"beta  ok\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := r.tick(0), "\ralpha 1s\x1b[K"; got != want {
		t.Errorf("after Print: got %q, want %q", got, want)
	}
	r.out.Reset()
	r.Close()
	r.Close()
	if got := r.out.String(); got != eraseLine {
		t.Errorf("Close wrote %q", got)
	}
}

func TestProgressFitsItsLine(t *testing.T) {
	r := newRig(30)
	defer r.Close()
	r.Start(strings.Repeat("long-", 20), 1)
	line := strings.TrimSuffix(strings.TrimPrefix(r.tick(time.Second), "\r"), "\x1b[K")
	if width(line) != 29 {
		t.Errorf("%q takes %d columns, want 29", line, width(line))
	}
}

func TestProgressInAPipe(t *testing.T) {
	var out bytes.Buffer
	p := NewProgress(&out, false, func() int { return 80 })
	p.Start("alpha", 1)
	p.Step("alpha", 1, "x")
	p.Done("alpha", true)
	p.Print(func(w io.Writer) { fmt.Fprint(w, "text\n") })
	p.Close()
	if out.String() != "text\n" {
		t.Errorf("got %q", out.String())
	}
}

func TestProgressIsSafeForConcurrentUse(t *testing.T) {
	var out bytes.Buffer
	p := NewProgress(&out, true, func() int { return 80 })
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			name := fmt.Sprint("s", i)
			p.Start(name, 3)
			for n := range 3 {
				p.Step(name, n+1, "step")
			}
			p.Print(func(w io.Writer) { fmt.Fprintln(w, name) })
			p.Done(name, true)
		})
	}
	wg.Wait()
	p.Close()
	if p.done != 8 || len(p.running) != 0 {
		t.Errorf("%d done, %d running", p.done, len(p.running))
	}
	if n := strings.Count(out.String(), "\n"); n != 8 {
		t.Errorf("%d lines printed, want 8", n)
	}
}

func TestProgressOfRuns(t *testing.T) {
	r := newRig(80)
	defer r.Close()
	r.Start("swept", 2)
	r.Runs("swept", 7, 60)
	if got, want := r.tick(2*time.Second), "\rswept 2s | 7 of 60 runs\x1b[K"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
