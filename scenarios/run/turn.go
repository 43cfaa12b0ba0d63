package run

import (
	"context"
	"sync"
	"time"

	"testbed/scenarios/spec"
)

// stagger is how long after one another the first scenarios begin: what the end of a
// step asks of the processor takes some milliseconds, and would fall together. Where
// there are more than staggered, one more begins at each of these times.
const (
	stagger   = 7 * time.Millisecond
	staggered = 16
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
	place := t.opened(ctx)
	select {
	case <-t.ready:
	case <-ctx.Done():
	}
	select {
	case <-time.After(time.Duration(place%staggered) * stagger):
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

// opened counts one, and returns how many of the first ones are still to come after
// it. After the last of them, the machine gets time to calm down.
func (t *turn) opened(ctx context.Context) (left int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first--; t.first == 0 {
		awaitCalm(ctx)
		close(t.ready)
	}
	return max(t.first, 0)
}
