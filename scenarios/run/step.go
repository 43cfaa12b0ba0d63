package run

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"testbed/agents"
	"testbed/agents/exec"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo"
	"testbed/topo/build"
)

// defaultExecTimeout is that of an exec step that names none.
const defaultExecTimeout = 60 * time.Second

// Do performs one step, as often as it says, and tells what was observed. The error
// is the testbed's own or the context's.
func (l *Lab) Do(ctx context.Context, s *spec.Step) (*verdict.Observation, error) {
	if s.Repeat < 2 {
		return l.once(ctx, s)
	}
	ctx = closingEach(ctx)
	var all []*verdict.Observation
	var samples []verdict.Sample
	for i := range s.Repeat {
		o, err := l.once(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("repetition %d: %w", i+1, err)
		}
		all = append(all, o)
		if !l.mutated {
			continue
		}
		if samples = append(samples, verdict.Repetition(s, i+1, o)); verdict.Hopeless(s, samples) {
			break // of a mutant that is all that matters
		}
	}
	return verdict.Repeat(s, all), nil
}

func (l *Lab) once(ctx context.Context, s *spec.Step) (*verdict.Observation, error) {
	o, err := l.do(ctx, s)
	if err != nil {
		return nil, err
	}
	o.Kernel, o.Clock = Kernel(), l.clock
	o.RulesShared = s.Flood == nil && l.isFlooded()
	return o, l.readTimers(o, s.Expect)
}

func (l *Lab) do(ctx context.Context, s *spec.Step) (*verdict.Observation, error) {
	switch {
	case s.Connect != nil:
		return l.Connect(ctx, *s.Connect)
	case s.HTTP != nil:
		return l.HTTP(ctx, *s.HTTP)
	case s.Exchange != nil:
		return l.Exchange(ctx, *s.Exchange)
	case s.Transfer != nil:
		return l.Transfer(ctx, *s.Transfer)
	case s.Await != nil:
		return l.Await(ctx, *s.Await)
	case s.Close != nil:
		return l.CloseConnection(ctx, *s.Close)
	case s.Scan != nil:
		return l.Scan(ctx, *s.Scan)
	case s.Flood != nil:
		return l.Flood(ctx, *s.Flood)
	case s.Exec != nil:
		return l.Exec(ctx, *s.Exec)
	case s.Wait != nil:
		return l.Wait(ctx, s.Wait.Duration)
	case s.Set != nil:
		return l.Set(*s.Set)
	case s.Parallel != nil:
		return l.Parallel(ctx, *s.Parallel)
	}
	return nil, fmt.Errorf("line %d: a step without an action", s.Line)
}

// Title is a step in words.
func Title(s *spec.Step) string {
	switch {
	case s.Connect != nil:
		return fmt.Sprintf("connect %s from %s", s.Connect.Target, s.Connect.From)
	case s.HTTP != nil:
		return fmt.Sprintf("GET %s from %s", s.HTTP.URL, s.HTTP.From)
	case s.Exchange != nil:
		return "exchange on " + s.Exchange.Connection
	case s.Transfer != nil && s.Transfer.Receive > 0:
		return fmt.Sprintf("receive %s on %s", verdict.FormatSize(uint64(s.Transfer.Receive)), s.Transfer.Connection)
	case s.Transfer != nil:
		return fmt.Sprintf("send %s on %s", verdict.FormatSize(uint64(s.Transfer.Send)), s.Transfer.Connection)
	case s.Await != nil:
		return "await the end of " + s.Await.Connection
	case s.Close != nil:
		return "close " + s.Close.Connection
	case s.Scan != nil:
		return fmt.Sprintf("scan %s from %s", net.JoinHostPort(s.Scan.Host, s.Scan.Text), s.Scan.From)
	case s.Flood != nil:
		return "flood " + s.Flood.Target.String() + " from " + s.Flood.From
	case s.Exec != nil:
		if s.Exec.Background {
			return fmt.Sprintf("start %s in %s", s.Exec.Text, s.Exec.From)
		}
		return fmt.Sprintf("exec %s in %s", s.Exec.Text, s.Exec.From)
	case s.Wait != nil:
		return "wait " + s.Wait.Duration.String()
	case s.Set != nil:
		return "set " + s.Set.Text
	case s.Parallel != nil:
		return fmt.Sprintf("%d steps in parallel", len(s.Parallel.Steps))
	}
	return ""
}

// Wait lets time pass.
func (l *Lab) Wait(ctx context.Context, d time.Duration) (*verdict.Observation, error) {
	o := &verdict.Observation{Kind: verdict.Wait, Title: Title(&spec.Step{Wait: &spec.Wait{Duration: d}}), Began: time.Now()}
	underWay(ctx)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
	}
	o.Elapsed = time.Since(o.Began)
	return o, nil
}

// Exec runs a program in a node.
func (l *Lab) Exec(ctx context.Context, e spec.Exec) (*verdict.Observation, error) {
	node := l.net.Plan.Topology.NodeIndex(e.From)
	if node < 0 {
		return nil, fmt.Errorf("no node %q", e.From)
	}
	w, err := l.watch()
	if err != nil {
		return nil, err
	}
	o := &verdict.Observation{Kind: verdict.Exec, Title: Title(&spec.Step{Exec: &e}), From: e.From, Began: w.began}
	timeout := e.Timeout
	if timeout == 0 {
		timeout = defaultExecTimeout
	}
	underWay(ctx)
	var r *exec.Result
	if e.Background {
		err = l.launch(ctx, o, node, e, timeout)
	} else if r, err = exec.Run(ctx, l.Program(node), exec.Command{Args: e.Args, Env: e.Env}, timeout); err == nil {
		o.Elapsed, o.Deadline = r.Elapsed, r.Deadline
		o.Exit, o.Stdout, o.Stderr = r.Exit, r.Stdout, r.Stderr
	}
	if notStarted(ctx, err) {
		if o.Exit, o.Detail = exitNotStarted, err.Error(); e.Background {
			o.Outcome = agents.Failed
		}
		return o, nil
	}
	if err != nil {
		return nil, err
	}
	o.Rules, err = w.matched()
	return o, err
}

// notStarted tells whether an error says that there is no such program to start.
func notStarted(ctx context.Context, err error) bool {
	var none *exec.NotStarted
	return errors.As(err, &none) && ctx.Err() == nil
}

// exitNotStarted is a shell's code for a program that can't be run.
const exitNotStarted = 127

// Set changes the running network.
func (l *Lab) Set(s spec.Set) (*verdict.Observation, error) {
	o := &verdict.Observation{Kind: verdict.Set, Title: Title(&spec.Step{Set: &s}), Began: time.Now()}
	if err := l.set(s); err != nil {
		return nil, err
	}
	o.Elapsed = time.Since(o.Began)
	return o, nil
}

func (l *Lab) set(s spec.Set) error {
	if s.Node == "" {
		return l.net.SetLink(s.Link, build.LinkState{Toward: s.Toward, MTU: s.MTU, Down: s.Down})
	}
	node := l.net.Plan.Topology.NodeIndex(s.Node)
	if node < 0 {
		return fmt.Errorf("no node %q", s.Node)
	}
	if s.Listen != nil {
		if err := l.listen(node, *s.Listen); err != nil {
			return err
		}
	}
	for _, change := range []func() error{
		ifSet(s.Firewall, func(r []topo.Rule) error { return l.net.SetFirewall(node, r) }),
		ifAny(s.Rulesets, func(r []topo.Ruleset) error { return l.net.SetRulesets(node, r) }),
		ifSet(s.Resolver, func(r topo.Resolver) error { return l.setResolver(node, r) }),
		ifSet(s.Flows, func(most uint32) error { return l.net.SetFlows(node, most) }),
		ifSet(s.NAT, func(n topo.NAT) error { return l.net.SetNAT(node, n) }),
		ifSet(s.Sysctls, func(v []topo.Sysctl) error { return l.net.SetSysctls(node, v) }),
		ifSet(s.Routes, func(r []topo.Route) error { return l.net.SetRoutes(node, r) }),
	} {
		if err := change(); err != nil {
			return err
		}
	}
	if s.Firewall != nil || len(s.Rulesets) > 0 || s.Flows != nil || s.NAT != nil {
		l.mu.Lock()
		l.renewed[s.Node] = time.Now()
		l.mu.Unlock()
	}
	if s.FlushNAT {
		return l.net.FlushNAT(node)
	}
	return nil
}

// ifAny applies a change of a list that is not empty.
func ifAny[T any](list []T, apply func([]T) error) func() error {
	return func() error {
		if len(list) == 0 {
			return nil
		}
		return apply(list)
	}
}

// ifSet applies a change that is named.
func ifSet[T any](value *T, apply func(T) error) func() error {
	return func() error {
		if value == nil {
			return nil
		}
		return apply(*value)
	}
}
