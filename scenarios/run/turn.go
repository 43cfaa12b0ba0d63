package run

import (
	"context"
	"sync"

	"testbed/scenarios/spec"
)

// turn orders the building of several networks. A nil turn orders nothing.
type turn struct {
	building sync.Mutex
	// first counts those of the first scenarios that have not been built; ready
	// is closed when it comes to zero.
	mu    sync.Mutex
	first int
	ready chan struct{}
}

func newTurn(first int) *turn {
	t := &turn{first: first, ready: make(chan struct{})}
	if first == 0 {
		close(t.ready)
	}
	return t
}

// open opens a lab when it is its turn, and waits until all of the first ones
// have been opened, or have failed to.
func (t *turn) open(ctx context.Context, s *spec.Scenario, o labOptions) (*Lab, error) {
	if t == nil {
		lab, err := openUnlessDone(ctx, s, o)
		awaitCalm(ctx)
		return lab, err
	}
	t.building.Lock()
	lab, err := openUnlessDone(ctx, s, o)
	t.building.Unlock()
	t.opened(ctx)
	select {
	case <-t.ready:
	case <-ctx.Done():
	}
	return lab, err
}

// pass is for a scenario that builds no network.
func (t *turn) pass(ctx context.Context) {
	if t != nil {
		t.opened(ctx)
	}
}

// openUnlessDone builds nothing once the context has ended.
func openUnlessDone(ctx context.Context, s *spec.Scenario, o labOptions) (*Lab, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return open(ctx, &s.Topology, o)
}

// opened counts one. After the last of the first ones, the machine gets time to
// calm down.
func (t *turn) opened(ctx context.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first--; t.first == 0 {
		awaitCalm(ctx)
		close(t.ready)
	}
}
