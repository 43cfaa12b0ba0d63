package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/term"

	"testbed/scenarios/report"
	"testbed/scenarios/run"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
)

// printer shows results as they come, in the order of the scenarios, and a live
// line meanwhile.
type printer struct {
	out      io.Writer
	options  report.Options
	progress *report.Progress

	mu sync.Mutex
	// order are the scenarios as given; ready are results that wait for one
	// before them.
	order []*spec.Scenario
	ready map[*spec.Scenario]*verdict.Result
	next  int
}

func newPrinter(out io.Writer, list []*spec.Scenario, f *runFlags) *printer {
	p := &printer{out: out, order: list, ready: map[*spec.Scenario]*verdict.Result{}}
	p.options = textOptions(out, f.color, f.ascii)
	cells := 0
	for _, s := range list {
		cells += len(s.Each())
	}
	p.options.Story = storyOf(f.story, cells*max(1, len(f.kernels)))
	p.progress = report.NewProgress(os.Stderr, isLive(os.Stderr), func() int { return columns(os.Stderr) })
	return p
}

// textOptions are those of a report that is written to out: as wide as the
// terminal, and with colours if it is one, unless a flag says otherwise.
func textOptions(out io.Writer, color string, ascii bool) report.Options {
	file, _ := out.(*os.File)
	terminal := file != nil && term.IsTerminal(int(file.Fd()))
	o := report.Options{
		ASCII: ascii,
		Color: color == "always" || color == "auto" && terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb",
	}
	if terminal {
		o.Width = columns(file)
	}
	return o
}

// isLive tells whether a line can be drawn anew on a file.
func isLive(f *os.File) bool { return term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" }

// columns is a terminal's width, 0 where it can't be told.
func columns(f *os.File) int {
	w, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return w
}

func storyOf(word string, scenarios int) report.Story {
	if word == "auto" {
		if scenarios == 1 {
			return report.StoryAlways
		}
		return report.StoryFailed
	}
	return report.Story(word)
}

func (p *printer) start(s *spec.Scenario) { p.progress.Start(s.Name, len(s.Steps)) }

func (p *printer) ran(s *spec.Scenario, done int) { p.progress.Runs(s.Name, done, s.Runs()) }

func (p *printer) step(s *spec.Scenario, n int, title string) { p.progress.Step(s.Name, n, title) }

// section begins a kernel's results with a heading. The scenarios before it have
// all been printed.
func (p *printer) section(release string, list []*spec.Scenario) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.order, p.next = list, 0
	clear(p.ready)
	p.progress.Print(func(io.Writer) { report.KernelHeading(p.out, release, p.options) })
}

// done prints a result, and those that waited for it.
func (p *printer) done(r *verdict.Result) {
	p.progress.Done(r.Scenario.Name, r.OK())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready[r.Scenario] = r
	for p.next < len(p.order) && p.ready[p.order[p.next]] != nil {
		r := p.ready[p.order[p.next]]
		p.next++
		p.progress.Print(func(io.Writer) { report.Text(p.out, r, p.options) })
	}
}

func (p *printer) close() { p.progress.Close() }

// keep holds the network of a scenario for `testbed exec`, until it is
// interrupted.
func (p *printer) keep(ctx context.Context, lab *run.Lab, r *verdict.Result) {
	p.done(r)
	p.close()
	fmt.Fprintf(p.out, "\nThe network of %s is held open. In another terminal:\n", r.Scenario.Name)
	for _, n := range lab.Plan().Nodes {
		fmt.Fprintf(p.out, "  testbed exec %s -- sh\n", n.Name)
	}
	fmt.Fprintln(p.out, "Ctrl-C ends it.")
	hold(ctx, lab)
}
