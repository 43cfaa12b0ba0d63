package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"testbed/netem"
	"testbed/scenarios/report"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/scenarios/virtual"
	"testbed/topo/sandbox"
	"testbed/vm/machine"
)

// exploreFlags are those of `testbed explore`.
type exploreFlags struct {
	clockFlags
	seeds        string
	links        string
	jobs         int
	json         string
	untilFailure bool
	color        string
	ascii        bool
}

func newExplore() *cobra.Command {
	f := &exploreFlags{clockFlags: clockFlags{clock: "virtual"}}
	c := &cobra.Command{
		Use:   "explore FILE",
		Short: "Run one scenario with many seeds, and find those that fail",
		Long: `Explore runs one scenario with every seed of a range, on the virtual clock. A seed
decides all that is left to chance: which packets a lossy link drops, how long
jitter holds one up, what the kernel chooses at random. So the many runs show what
can happen, and how often.

It tells the share of each outcome of every step with the spread of its time, and
the seeds with which an expectation was not met. A seed gives the same run each
time, to the nanosecond: the command in the report's last line shows the first
failure again, with its whole story, as often as it takes to understand it.

Ctrl-C ends it early; what is done by then is reported.

Exit codes: 0 all expectations were met with every seed, 1 a seed failed, 2 wrong
usage or an invalid scenario, 3 this host can't run it, 4 the testbed itself
failed, 130 interrupted.`,
		Example: `  testbed explore my.yaml                               seeds 1 to 100
  testbed explore my.yaml --seeds 1..5000 --until-failure   the first that fails
  testbed explore my.yaml --seeds 3,17,40..60 --kernel 6.1
  testbed explore my.yaml --seeds 1..500 --json seeds.json  with every seed's times
  testbed run --clock=virtual --seed 17 my.yaml         one of them, in full`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return f.run(args[0]) },
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	c.Flags().StringVar(&f.seeds, "seeds", "1..100", "which `seeds`: "+seedWords)
	c.Flags().StringSliceVar(&f.kernels, "kernel", nil, "the Linux `version` or path, as in 6.12; see testbed kernel list")
	c.Flags().StringVar(&f.links, "links", "auto", "what carries the links: kernel, wire or auto; see testbed run --help")
	c.Flags().IntVarP(&f.jobs, "jobs", "j", 0, "how many seeds run at once (0: one for each processor)")
	c.Flags().StringVar(&f.json, "json", "", "write every seed's outcomes and times as JSON to `FILE` (- for standard output)")
	c.Flags().BoolVar(&f.untilFailure, "until-failure", false, "end with the first seed that fails")
	c.Flags().DurationVar(&f.deadline, "deadline", machine.DefaultDeadline, "the most that a guest may take for a boot or a seed, in real time")
	c.Flags().BoolVar(&f.fresh, "fresh", false, "boot the guest anew, and leave no snapshot")
	c.Flags().StringVar(&f.color, "color", "auto", "colours: always, never; auto: on a terminal")
	c.Flags().BoolVar(&f.ascii, "ascii", false, "keep to ASCII")
	completeWords(c, "seeds", "1..100", "1..1000", "1..10000")
	completeWords(c, "links", mediumNames()...)
	completeWords(c, "color", "auto", "always", "never")
	return c
}

// check refuses words that no flag knows. The seeds are what --seeds names.
func (f *exploreFlags) check() ([]uint64, error) {
	if f.jobs < 0 {
		return nil, usage("--jobs %d: it takes 0 or more", f.jobs)
	}
	if len(f.kernels) > 1 {
		return nil, usage("--kernel %s: explore runs on one kernel at a time", strings.Join(f.kernels, ","))
	}
	if err := errors.Join(oneOf("links", f.links, mediumNames()), oneOf("color", f.color, []string{"auto", "always", "never"}), f.clockFlags.check()); err != nil {
		return nil, err
	}
	seeds, err := parseSeeds(f.seeds)
	return seeds, errors.Join(err, writable("json", f.json))
}

func (f *exploreFlags) run(file string) error {
	seeds, err := f.check()
	if err != nil {
		return err
	}
	list, err := load([]string{file})
	if err != nil {
		return err
	}
	if len(list) != 1 {
		return usage("explore takes one scenario: %s holds %d", file, len(list))
	}
	ctx, stop := signal.NotifyContext(context.Background(), sandbox.Signals()...)
	defer stop()
	machines, done, err := f.machines(ctx)
	if err == nil {
		err = f.explore(ctx, machines[0], list[0], seeds)
	}
	return errors.Join(err, done())
}

// explore runs the scenario with every seed, and reports.
func (f *exploreFlags) explore(ctx context.Context, m *machine.Machine, s *spec.Scenario, seeds []uint64) error {
	e := &report.Exploration{
		Scenario: s, Kernel: m.Kernel().Release, Links: f.links, Seeds: f.seeds, Planned: len(seeds), Command: f.command(m, s.File),
	}
	text := io.Writer(os.Stdout)
	if f.json == "-" {
		text = os.Stderr
	}
	began := time.Now()
	code, err := f.all(ctx, m, e, seeds)
	if err != nil {
		return err
	}
	if e.Interrupted = ctx.Err() != nil && e.Done() < e.Planned; f.untilFailure {
		e.Cut()
	}
	if err := report.ExplorationText(text, e, time.Since(began), textOptions(text, f.color, f.ascii)); err != nil {
		return err
	}
	if f.json != "" {
		if err := writeTo(f.json, func(out io.Writer) error { return report.ExplorationJSON(out, e) }); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	switch {
	case e.Interrupted:
		return &codeError{code: exitInterrupted, err: errors.New("interrupted")}
	case code != exitOK:
		return &codeError{code: code}
	}
	return nil
}

// maxBroken is after how many seeds with which the testbed itself failed no more
// are tried.
const maxBroken = 10

// all runs the seeds, some at once, and counts their results. It returns the exit
// code of the gravest. Seeds that were not run to their end do not count.
func (f *exploreFlags) all(ctx context.Context, m *machine.Machine, e *report.Exploration, seeds []uint64) (code int, err error) {
	live := newSeedProgress(os.Stderr, len(seeds))
	defer live.close()
	stop := make(chan struct{})
	halt := sync.OnceFunc(func() { close(stop) })
	failed, broken := 0, 0
	live.show(0, 0)
	for r := range runSeeds(ctx, stop, m, e.Scenario, seeds, f.options()) {
		switch {
		case interrupted(r.result):
			continue
		case r.result.Skipped != "" && r.result.Err == nil:
			halt()
			err = usage("%s has nothing to explore: %s", e.Scenario.File, r.result.Skipped)
			continue
		}
		e.Add(r.order, seeds[r.order], r.result)
		code = max(code, codeOfResult(r.result))
		if !r.result.OK() {
			failed++
		}
		if r.result.Err != nil {
			broken++
		}
		if f.untilFailure && failed > 0 || broken >= maxBroken {
			halt()
		}
		live.show(e.Done(), failed)
	}
	return code, err
}

func (f *exploreFlags) options() virtual.Options {
	return virtual.Options{Jobs: f.jobs, Links: netem.MediumName(f.links)}
}

// codeOfResult is the exit code that one result stands for.
func codeOfResult(r *verdict.Result) int {
	var coded *codeError
	if err := verdictOf([]*verdict.Result{r}); errors.As(err, &coded) {
		return coded.code
	}
	return exitOK
}

// command is the command that runs one seed, before and after the seed's number.
func (f *exploreFlags) command(m *machine.Machine, file string) [2]string {
	name := m.Kernel().Release
	if len(f.kernels) == 1 && strings.Contains(f.kernels[0], "/") {
		name = f.kernels[0]
	}
	before := "testbed run --clock=virtual --kernel " + shellWord(name)
	if f.links != "auto" {
		before += " --links " + f.links
	}
	return [2]string{before, shellWord(file)}
}

// shellWord is a text as one word for a shell.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./+:@%=,", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
