package main

import (
	"fmt"
	"os"
	"time"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"

	"testbed/vm/kernel"
)

// fetchProgress shows how far a fetch is: a live line on a terminal, and else a
// line for each thing that is done.
type fetchProgress struct {
	out  *os.File
	live bool
	// doing is what was shown last, and drawn is when.
	doing string
	drawn time.Time
}

func newFetchProgress(out *os.File) *fetchProgress {
	return &fetchProgress{out: out, live: term.IsTerminal(int(out.Fd())) && os.Getenv("TERM") != "dumb"}
}

// redrawProgress is how often a live line is drawn anew.
const redrawProgress = 100 * time.Millisecond

func (p *fetchProgress) show(now kernel.Progress) {
	fresh := now.Doing != p.doing
	p.doing = now.Doing
	switch {
	case !p.live && fresh:
		fmt.Fprintln(p.out, now.Doing)
	case p.live && (fresh || time.Since(p.drawn) >= redrawProgress):
		p.drawn = time.Now()
		line := now.Doing + " …"
		if now.Total > 0 {
			line = fmt.Sprintf("%s: %.1f of %.1f MB", now.Doing, float64(now.Done)/1e6, float64(now.Total)/1e6)
		}
		if width := columns(p.out); width > 0 {
			line = ansi.Truncate(line, width-1, "")
		}
		fmt.Fprint(p.out, "\r"+line+ansi.EraseLineRight)
	}
}

// close removes the live line.
func (p *fetchProgress) close() {
	if p.live && p.doing != "" {
		fmt.Fprint(p.out, "\r"+ansi.EraseLineRight)
	}
	p.doing = ""
}
