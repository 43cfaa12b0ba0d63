package run

import (
	"context"
	"sync"

	"testbed/topo"
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
func (t *turn) open(ctx context.Context, network *topo.Topology) (*Lab, error) {
	if t == nil {
		return Open(ctx, network)
	}
	t.building.Lock()
	lab, err := Open(ctx, network)
	t.building.Unlock()
	t.opened()
	select {
	case <-t.ready:
	case <-ctx.Done():
	}
	return lab, err
}

func (t *turn) opened() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first--; t.first == 0 {
		close(t.ready)
	}
}
