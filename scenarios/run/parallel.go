package run

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
)

// Parallel performs steps at the same time. Each begins once the one before it is
// under way, so that their first packets leave in the order of the steps. When the
// testbed itself fails in one of them, the others are ended.
func (l *Lab) Parallel(ctx context.Context, p spec.Parallel) (*verdict.Observation, error) {
	o := &verdict.Observation{
		Kind: verdict.Parallel, Title: Title(&spec.Step{Parallel: &p}), Began: time.Now(),
		Parallel: make([]*verdict.Observation, len(p.Steps)),
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(p.Steps))
	var wg sync.WaitGroup
	for i := range p.Steps {
		began := make(chan struct{})
		told := sync.OnceFunc(func() { close(began) })
		wg.Go(func() {
			defer told()
			errs[i] = l.beside(whenUnderWay(ctx, told), &p.Steps[i], i, o)
			if errs[i] != nil {
				cancel()
			}
		})
		<-began
	}
	wg.Wait()
	o.Elapsed = time.Since(o.Began)
	return o, gravest(errs)
}

// beside performs one step of several that run at the same time.
func (l *Lab) beside(ctx context.Context, s *spec.Step, i int, all *verdict.Observation) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o, err := l.Do(ctx, s)
	if err != nil {
		return fmt.Errorf("%s: %w", Title(s), err)
	}
	o.Step, o.RulesShared = i+1, o.RulesShared || len(all.Parallel) > 1
	all.Parallel[i] = o
	return nil
}

// gravest is the errors without those that only tell of a step that was ended
// because another one failed.
func gravest(errs []error) error {
	var own []error
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			own = append(own, err)
		}
	}
	if len(own) > 0 {
		return errors.Join(own...)
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// underWayKey is of the context value that is told when a step is under way.
type underWayKey struct{}

// whenUnderWay has a function called, at least once, when the action of a step is
// under way.
func whenUnderWay(ctx context.Context, told func()) context.Context {
	return context.WithValue(ctx, underWayKey{}, told)
}

// underWay tells that the action of a step is under way: its first packet has left,
// or is about to.
func underWay(ctx context.Context) {
	if told, ok := ctx.Value(underWayKey{}).(func()); ok {
		told()
	}
}
