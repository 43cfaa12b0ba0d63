package report

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// redraw is how often a progress line is drawn anew.
const redraw = 200 * time.Millisecond

// Progress is a live line on a terminal while scenarios run: how many are
// done, and what those that run are doing, since when. It first shows after a
// fifth of a second, so that short runs show nothing. Its methods are safe for
// concurrent use.
type Progress struct {
	w       io.Writer
	enabled bool
	width   func() int
	now     func() time.Time
	stop    chan struct{}
	stopped sync.WaitGroup

	mu           sync.Mutex
	running      []*activity
	done, failed int
	// shown is the line that is on the terminal, empty for none.
	shown  string
	closed bool
}

// activity is a scenario that runs.
type activity struct {
	name    string
	since   time.Time
	step, n int
	title   string
	// runs counts those of a scenario that is run more than once, and ran those of
	// them that have ended.
	runs, ran int
}

// NewProgress starts a progress line on w, usually standard error. If enabled
// is false, as it must be unless w is a terminal, nothing is ever drawn. width
// tells the terminal's columns; it is asked for each line. Close ends it.
func NewProgress(w io.Writer, enabled bool, width func() int) *Progress {
	if !enabled {
		return newProgress(w, false, width, time.Now, nil)
	}
	t := time.NewTicker(redraw)
	p := newProgress(w, true, width, time.Now, t.C)
	p.stopped.Go(func() {
		<-p.stop
		t.Stop()
	})
	return p
}

// newProgress takes its clock and its ticks from the caller.
func newProgress(w io.Writer, enabled bool, width func() int, now func() time.Time, ticks <-chan time.Time) *Progress {
	p := &Progress{w: w, enabled: enabled, width: width, now: now, stop: make(chan struct{})}
	if enabled {
		p.stopped.Go(func() { p.follow(ticks) })
	}
	return p
}

func (p *Progress) follow(ticks <-chan time.Time) {
	for {
		select {
		case <-p.stop:
			return
		case <-ticks:
			p.mu.Lock()
			p.draw()
			p.mu.Unlock()
		}
	}
}

// Start says that a scenario of so many steps begins.
func (p *Progress) Start(scenario string, steps int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = append(p.running, &activity{name: scenario, since: p.now(), n: steps})
}

// Step says that a running scenario begins its n-th step, counted from 1.
func (p *Progress) Step(scenario string, n int, title string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.running {
		if a.name == scenario {
			a.step, a.title = n, title
			return
		}
	}
}

// Runs says that so many of a scenario's runs have ended, of so many.
func (p *Progress) Runs(scenario string, ran, runs int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.running {
		if a.name == scenario {
			a.ran, a.runs = ran, runs
			return
		}
	}
}

// Done says that a scenario has ended.
func (p *Progress) Done(scenario string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, a := range p.running {
		if a.name == scenario {
			p.running = append(p.running[:i], p.running[i+1:]...)
			break
		}
	}
	p.done++
	if !ok {
		p.failed++
	}
}

// Print erases the line and calls print, which may write to w or to anything
// else that shows on the same terminal; the line comes back with the next
// redraw. No other Print runs meanwhile. print must not call p's methods.
func (p *Progress) Print(print func(w io.Writer)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	print(p.w)
}

// Close erases the line for good and waits until nothing more is drawn. It may
// be called more than once.
func (p *Progress) Close() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.closed = true
	p.erase()
	p.mu.Unlock()
	close(p.stop)
	p.stopped.Wait()
}

// draw shows the line as it is now. A terminal that fails to take it is no
// reason to end a run, so errors are dropped.
func (p *Progress) draw() {
	if !p.enabled || p.closed {
		return
	}
	if len(p.running) == 0 {
		p.erase()
		return
	}
	line := ansi.Truncate(p.line(), max(p.width()-1, 10), "…")
	if line == p.shown {
		return
	}
	_, _ = io.WriteString(p.w, "\r"+line+ansi.EraseLineRight)
	p.shown = line
}

func (p *Progress) erase() {
	if p.shown == "" {
		return
	}
	_, _ = io.WriteString(p.w, "\r"+ansi.EraseLineRight)
	p.shown = ""
}

// line is what runs, the oldest first, which is told in full.
func (p *Progress) line() string {
	var parts []string
	if p.done > 0 {
		part := fmt.Sprintf("%d done", p.done)
		if p.failed > 0 {
			part += fmt.Sprintf(", %d failed", p.failed)
		}
		parts = append(parts, part)
	}
	first := p.running[0]
	parts = append(parts, first.String(p.now()))
	if first.runs > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d runs", first.ran, first.runs))
	}
	if first.step > 0 {
		parts = append(parts, fmt.Sprintf("step %d of %d: %s", first.step, max(first.n, first.step), inline(first.title, maxField)))
	}
	var others []string
	for _, a := range p.running[1:] {
		others = append(others, a.String(p.now()))
	}
	if len(others) > 0 {
		parts = append(parts, strings.Join(others, ", "))
	}
	return strings.Join(parts, " | ")
}

// String is the scenario's name with how long it has run.
func (a *activity) String(now time.Time) string {
	return fmt.Sprintf("%s %ds", inline(a.name, maxField), int(now.Sub(a.since).Seconds()))
}
