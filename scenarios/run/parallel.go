package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
)

// Parallel performs steps at the same time. Each begins once the one before it is
// under way, so that their first packets leave in the order of the steps. What they
// connected and nobody keeps is closed once all have been observed. When the testbed
// itself fails in one of them, the others are ended.
func (l *Lab) Parallel(ctx context.Context, p spec.Parallel) (*verdict.Observation, error) {
	o := &verdict.Observation{
		Kind: verdict.Parallel, Title: Title(&spec.Step{Parallel: &p}), Began: time.Now(),
		Parallel: make([]*verdict.Observation, len(p.Steps)),
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var open leftOpen
	defer open.close()
	ctx = context.WithValue(ctx, leftOpenKey{}, &open)
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

// leftOpen are connections that stay open until the steps beside theirs have been
// observed: in a simultaneous open the FIN of one would be seen by the other. It is
// safe for concurrent use.
type leftOpen struct {
	mu    sync.Mutex
	conns []io.Closer
}

func (o *leftOpen) close() {
	for _, c := range o.conns {
		c.Close()
	}
}

// leftOpenKey is of the context value that is the *leftOpen of steps in parallel.
type leftOpenKey struct{}

// closeBesideNone closes a connection that nobody keeps, once no step beside the
// context's is observed any more.
func closeBesideNone(ctx context.Context, c io.Closer) {
	o, _ := ctx.Value(leftOpenKey{}).(*leftOpen)
	if o == nil {
		c.Close()
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.conns = append(o.conns, c)
}

// closingEach is a context whose connections are closed at once, for a step that is
// repeated: they would pile up.
func closingEach(ctx context.Context) context.Context {
	return context.WithValue(ctx, leftOpenKey{}, (*leftOpen)(nil))
}
