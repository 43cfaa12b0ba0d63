package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"testbed/scenarios/report"
	"testbed/scenarios/run"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo/sandbox"
)

// mutateFlags are those of `testbed mutate`.
type mutateFlags struct {
	clockFlags
	links string
	jobs  int
	color string
	ascii bool
}

func newMutate() *cobra.Command {
	f := &mutateFlags{}
	c := &cobra.Command{
		Use:   "mutate FILE|DIR…",
		Short: "Show that scenarios can fail: run them with each of their mutations",
		Long: `Mutate holds scenarios themselves to a test. A scenario names changes of its
network that must make it fail:

  mutations:
    - {node: fw, firewall: []}
    - {link: [client, fw], delay: 60ms}

Each scenario is run as it is, which must succeed, and then once with each of its
mutations, which some expectation must notice. Mutate says which one did, and which
mutations none notices.

Exit codes: 0 every mutation was noticed, 1 one was not, or a scenario names none or
fails without them, 2 wrong usage or an invalid scenario, 3 this host can't run it,
4 the testbed itself failed, 130 interrupted.`,
		Example: `  testbed mutate my.yaml
  testbed mutate --clock=virtual scenarios/...     all folders below, in a guest`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return f.run(args) },
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	f.clockFlags.add(c)
	c.Flags().IntVarP(&f.jobs, "jobs", "j", 0, jobsUsage)
	c.Flags().StringVar(&f.links, "links", "auto", "what carries the links: kernel, wire or auto; see testbed run --help")
	c.Flags().StringVar(&f.color, "color", "auto", "colours: always, never; auto: on a terminal")
	c.Flags().BoolVar(&f.ascii, "ascii", false, "keep to ASCII")
	completeWords(c, "links", mediumNames()...)
	completeWords(c, "color", "auto", "always", "never")
	return c
}

func (f *mutateFlags) check() error {
	if f.jobs < 0 {
		return usage("--jobs %d: it takes 0 or more", f.jobs)
	}
	if len(f.kernels) > 1 {
		return usage("--kernel %s: mutate runs on one kernel at a time", strings.Join(f.kernels, ","))
	}
	return errors.Join(oneOf("links", f.links, mediumNames()), oneOf("color", f.color, []string{"auto", "always", "never"}), f.clockFlags.check())
}

func (f *mutateFlags) run(args []string) error {
	if err := f.check(); err != nil {
		return err
	}
	list, err := load(args)
	if err != nil {
		return err
	}
	if err := f.reseed(list); err != nil {
		return err
	}
	if slices.ContainsFunc(list, func(s *spec.Scenario) bool { return !f.isVirtual(s) }) {
		if err := sandbox.Enter(sandbox.Options{}); err != nil {
			return err
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), sandbox.Signals()...)
	defer stop()
	return f.perform(ctx, list)
}

// perform runs every scenario and its mutants, and reports them in the order given.
func (f *mutateFlags) perform(ctx context.Context, list []*spec.Scenario) error {
	began := time.Now()
	p := report.NewProgress(os.Stderr, isLive(os.Stderr), func() int { return columns(os.Stderr) })
	results, err := f.runAll(ctx, withMutants(list), p)
	p.Close()
	if err != nil {
		return err
	}
	out := io.Writer(os.Stdout)
	all, code := gather(list, results), exitOK
	for _, m := range all {
		report.MutantsText(out, m, textOptions(out, f.color, f.ascii))
		if !m.OK() {
			code = max(code, exitUnmet)
		}
	}
	for _, r := range results {
		if r.Err != nil {
			code = max(code, codeOfResult(r))
		}
	}
	report.MutantsSummary(out, all, time.Since(began))
	switch {
	case ctx.Err() != nil:
		return &codeError{code: exitInterrupted, err: errors.New("interrupted")}
	case code != exitOK:
		return &codeError{code: code}
	}
	return nil
}

// withMutants are the scenarios, each followed by its mutants.
func withMutants(list []*spec.Scenario) (all []*spec.Scenario) {
	for _, s := range list {
		all = append(all, s)
		for i := range s.Mutations {
			all = append(all, s.Mutated(i))
		}
	}
	return all
}

// gather puts the results of withMutants together, scenario by scenario.
func gather(list []*spec.Scenario, results []*verdict.Result) (all []*report.Mutants) {
	for _, s := range list {
		n := 1 + len(s.Mutations)
		all = append(all, &report.Mutants{Scenario: s, Original: results[0], Mutated: results[1:n]})
		results = results[n:]
	}
	return all
}

// runAll runs scenarios, each on its clock, and returns their results in the order
// given.
func (f *mutateFlags) runAll(ctx context.Context, list []*spec.Scenario, p *report.Progress) ([]*verdict.Result, error) {
	onHost, onVirtual, err := f.clockFlags.perform(ctx, list, performance{jobs: f.jobs, links: f.links, told: run.Progress{
		OnStart: func(s *spec.Scenario) { p.Start(s.Name, len(s.Steps)) },
		OnStep:  func(s *spec.Scenario, n int, title string) { p.Step(s.Name, n, title) },
		OnRun:   func(s *spec.Scenario, done int) { p.Runs(s.Name, done, s.Runs()) },
		OnDone:  func(r *verdict.Result) { p.Done(r.Scenario.Name, r.Err == nil) },
	}})
	if err != nil {
		return nil, err
	}
	of := map[*spec.Scenario]*verdict.Result{}
	for _, r := range slices.Concat(onHost, onVirtual) {
		of[r.Scenario] = r
	}
	results := make([]*verdict.Result, len(list))
	for i, s := range list {
		results[i] = of[s]
	}
	return results, nil
}
