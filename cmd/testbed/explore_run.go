package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"

	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/scenarios/virtual"
	"testbed/vm/machine"
)

// seedResult is the result of a seed, the order-th of all.
type seedResult struct {
	order  int
	result *verdict.Result
}

// runSeeds runs a scenario with every seed, o.Slots() at once, each in a guest of its
// own. Seeds begin in their order; none begins after stop is closed or the context
// has ended, and those that run end first. The channel is closed after the last.
func runSeeds(ctx context.Context, stop <-chan struct{}, m *machine.Machine, s *spec.Scenario, seeds []uint64, o virtual.Options) <-chan seedResult {
	results, next := make(chan seedResult), make(chan int)
	go func() {
		defer close(next)
		for i := range seeds {
			select {
			case <-stop: // first of all, as select chooses at random
				return
			default:
			}
			select {
			case <-stop:
				return
			case <-ctx.Done():
				return
			case next <- i:
			}
		}
	}()
	var workers sync.WaitGroup
	for range min(o.Slots(), len(seeds)) {
		workers.Go(func() {
			for i := range next {
				one := *s
				one.Topology.Seed = seeds[i]
				results <- seedResult{i, virtual.Scenario(ctx, m, &one, o)}
			}
		})
	}
	go func() {
		workers.Wait()
		close(results)
	}()
	return results
}

// seedProgress is a live line on a terminal: how many seeds are done, how many of
// them failed, and how long the others will take.
type seedProgress struct {
	out          *os.File
	live         bool
	total        int
	began, drawn time.Time
}

func newSeedProgress(out *os.File, total int) *seedProgress {
	return &seedProgress{out: out, live: isLive(out), total: total, began: time.Now()}
}

func (p *seedProgress) show(done, failed int) {
	if !p.live || done > 0 && time.Since(p.drawn) < redrawProgress {
		return
	}
	p.drawn = time.Now()
	line := seedLine(done, failed, p.total, time.Since(p.began))
	if width := columns(p.out); width > 0 {
		line = ansi.Truncate(line, width-1, "")
	}
	fmt.Fprint(p.out, "\r"+line+ansi.EraseLineRight)
}

// seedLine is the line for so many seeds that are done after some time.
func seedLine(done, failed, total int, after time.Duration) string {
	line := fmt.Sprintf("%d of %s", done, count(total, "seed"))
	if failed > 0 {
		line += fmt.Sprintf(", %d failed", failed)
	}
	if done == 0 || after <= 0 {
		return line
	}
	rate := float64(done) / after.Seconds()
	left := time.Duration(float64(total-done) / rate * float64(time.Second))
	return line + fmt.Sprintf(" | %.1f a second | %v left", rate, left.Round(time.Second))
}

// close removes the line.
func (p *seedProgress) close() {
	if p.live {
		fmt.Fprint(p.out, "\r"+ansi.EraseLineRight)
	}
}
