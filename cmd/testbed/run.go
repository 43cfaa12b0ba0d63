package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"testbed/netem"
	"testbed/scenarios/report"
	"testbed/scenarios/run"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo/sandbox"
)

// runFlags are those of `testbed run`.
type runFlags struct {
	clockFlags
	links       string
	cells       cellFlags
	jobs        int
	json, junit string
	keep        bool
	story       string
	pcap        pcapFlag
	color       string
	ascii       bool
}

func newRun() *cobra.Command {
	f := &runFlags{}
	c := &cobra.Command{
		Use:   "run FILE|DIR…",
		Short: "Run scenarios and judge them",
		Long: `Run builds each scenario's network, performs its steps on the real kernel, and
holds what was observed against what the scenario expects.

For one scenario it tells the whole story of every step: a ladder diagram of the
segments, where each one died, and a paragraph in plain words. For several it
prints one line a step, and the story of those that failed. --story changes that.

With several kernels (--kernel 6.1,6.12) it runs every scenario on each of them,
on the virtual clock, and ends with a table that shows the outcomes, times and
packets side by side, and marks where the kernels differ.

A folder stands for every *.yaml and *.yml file in it, and DIR/... for those in all
folders below it, too.

Exit codes: 0 all expectations were met, 1 one was not, 2 wrong usage or an
invalid scenario, 3 this host can't run it, 4 the testbed itself failed,
130 interrupted.`,
		Example: `  testbed run scenarios/firewall-drop.yaml
  testbed run scenarios/ --jobs 4 --junit report.xml
  testbed run my.yaml --kernel 6.1,6.12     on two kernels, and what differs
  testbed run my.yaml --json -              the full report as JSON, on standard output
  testbed run my.yaml --keep                hold the network; then, elsewhere:
  testbed exec client -- ping -c 1 server`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(args) },
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	c.Flags().IntVarP(&f.jobs, "jobs", "j", 0, jobsUsage)
	c.Flags().StringVar(&f.json, "json", "", "write the full report as JSON to `FILE` (- for standard output)")
	c.Flags().StringVar(&f.junit, "junit", "", "write a JUnit XML report to `FILE` (- for standard output)")
	c.Flags().StringVar(&f.pcap.dir, "pcap", "", "write what crossed the links to `DIR`, a pcapng file for each scenario")
	f.clockFlags.add(c)
	c.Flags().StringVar(&f.links, "links", "auto", "what carries the links: kernel: its netem; wire: the testbed itself; auto: the kernel where it can do all of it")
	f.cells.add(c)
	c.Flags().BoolVar(&f.keep, "keep", false, "hold the network open after the last step, for `testbed exec`, until Ctrl-C")
	c.Flags().StringVar(&f.story, "story", "auto", "whose whole story is told: always, failed, never; auto: always for one scenario, else failed")
	c.Flags().StringVar(&f.color, "color", "auto", "colours: always, never; auto: on a terminal")
	c.Flags().BoolVar(&f.ascii, "ascii", false, "keep to ASCII")
	c.Flags().Lookup("keep").Usage = "hold the network open after the last step, for testbed exec, until Ctrl-C"
	completeWords(c, "story", "auto", "always", "failed", "never")
	completeWords(c, "color", "auto", "always", "never")
	completeWords(c, "links", mediumNames()...)
	return c
}

// completeWords offers a flag's words to the shell.
func completeWords(c *cobra.Command, flag string, words ...string) {
	c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// mediumNames are the words of --links.
func mediumNames() (words []string) {
	for _, name := range netem.MediumNames {
		words = append(words, string(name))
	}
	return words
}

// run checks everything outside the sandbox, so that no mistake needs a
// privilege to be told, and then goes on inside.
func (f *runFlags) run(args []string) error {
	if err := f.check(); err != nil {
		return err
	}
	list, err := load(args)
	if err != nil {
		return err
	}
	if list, err = f.cells.pick(list); err != nil {
		return err
	}
	if f.keep && len(list) > 1 {
		return usage("--keep holds one network: name one scenario, not %d", len(list))
	}
	if f.keep && list[0].Runs() > 1 {
		return usage("--keep holds one network: %s builds %d, one for each run of its matrix and repeat: --cell and --repeat 1 pick one", list[0].Name, list[0].Runs())
	}
	if f.keep && f.isVirtual(list[0]) {
		return usage("--keep holds a network on the host's clock: add --clock=host")
	}
	if err := f.reseed(list); err != nil {
		return err
	}
	if err := f.pcap.open(list, len(f.kernels) > 1); err != nil {
		return err
	}
	var o sandbox.Options
	if f.keep && sandbox.First() {
		door, err := openDoor(list[0].Name)
		if err != nil {
			return err
		}
		o.Files = append(o.Files, door)
	}
	if slices.ContainsFunc(list, func(s *spec.Scenario) bool { return !f.isVirtual(s) }) {
		if err := sandbox.Enter(o); err != nil {
			return err
		}
	}
	return f.perform(list)
}

// check refuses words that no flag knows.
func (f *runFlags) check() error {
	if f.jobs < 0 {
		return usage("--jobs %d: it takes 0 or more", f.jobs)
	}
	for _, w := range []struct {
		flag, value string
		valid       []string
	}{{"story", f.story, []string{"auto", "always", "failed", "never"}}, {"color", f.color, []string{"auto", "always", "never"}}, {"links", f.links, mediumNames()}} {
		if err := oneOf(w.flag, w.value, w.valid); err != nil {
			return err
		}
	}
	if f.json == "-" && f.junit == "-" {
		return usage("--json - and --junit - both want standard output")
	}
	if err := f.clockFlags.check(); err != nil {
		return err
	}
	return errors.Join(writable("json", f.json), writable("junit", f.junit))
}

// writable refuses a report's file that could not be written in the end.
func writable(flag, path string) error {
	if path == "" || path == "-" {
		return nil
	}
	err := unix.Access(path, unix.W_OK)
	if errors.Is(err, fs.ErrNotExist) {
		err = unix.Access(filepath.Dir(path), unix.W_OK)
	}
	if err != nil {
		return usage("--%s %s: %w", flag, path, err)
	}
	return nil
}

// perform runs the scenarios and reports them, inside the sandbox.
func (f *runFlags) perform(list []*spec.Scenario) error {
	ctx, stop := signal.NotifyContext(context.Background(), sandbox.Signals()...)
	defer stop()
	text := io.Writer(os.Stdout)
	if f.json == "-" || f.junit == "-" {
		text = os.Stderr
	}
	onHost, onVirtual := f.byClock(list)
	p := newPrinter(text, slices.Concat(onHost, onVirtual), f)
	how := performance{
		jobs: f.jobs, links: f.links, capture: f.pcap.wanted(), section: p.section,
		told: run.Progress{OnStart: p.start, OnStep: p.step, OnRun: p.ran, OnDone: f.pcap.then(p.done)},
	}
	if f.keep {
		how.keep = p.keep
	}
	began := time.Now()
	host, guests, err := f.clockFlags.perform(ctx, list, how)
	p.close()
	if err != nil {
		return err
	}
	results := slices.Concat(host, guests)
	if err := report.Compare(text, guests, p.options); err != nil {
		return err
	}
	if len(results) > 1 {
		report.Summary(text, results, time.Since(began))
	}
	if err := errors.Join(f.write(results), f.pcap.failed()); err != nil {
		return err
	}
	if ctx.Err() != nil && (!f.keep || slices.ContainsFunc(results, interrupted)) {
		return &codeError{code: exitInterrupted, err: errors.New("interrupted")}
	}
	return verdictOf(results)
}

// interrupted tells whether a scenario ended early because the context did. A
// kept network ends with its context, and that is no interruption.
func interrupted(r *verdict.Result) bool { return errors.Is(r.Err, context.Canceled) }

// verdictOf is the error, already told in the report, that the results stand
// for: the gravest one.
func verdictOf(results []*verdict.Result) error {
	code := exitOK
	for _, r := range results {
		switch {
		case r.Err != nil:
			code = max(code, codeOf(r.Err))
		case !r.OK():
			code = max(code, exitUnmet)
		}
	}
	if code == exitOK {
		return nil
	}
	return &codeError{code: code}
}

// write writes the machine-readable reports.
func (f *runFlags) write(results []*verdict.Result) error {
	for _, w := range []struct {
		path  string
		write func(io.Writer, []*verdict.Result) error
	}{{f.json, report.JSON}, {f.junit, report.JUnit}} {
		if w.path == "" {
			continue
		}
		if err := writeTo(w.path, func(out io.Writer) error { return w.write(out, results) }); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	return nil
}

// writeTo writes a file, or standard output for "-".
func writeTo(path string, write func(io.Writer) error) error {
	if path == "-" {
		return write(os.Stdout)
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(out), out.Close())
}
