package rtnl

import (
	"fmt"
	"time"

	"github.com/vishvananda/netlink"
)

// awaitDeadline is how long an interface may take to begin to carry.
const awaitDeadline = 5 * time.Second

// AwaitUp waits until interfaces carry frames. The end of a veth pair that was
// up first begins to carry some time after the other end came up, in the
// kernel's own time (net/core/link_watch.c); until then it drops what is sent.
func (h *Handle) AwaitUp(names ...string) error {
	updates := make(chan netlink.LinkUpdate, len(names))
	done := make(chan struct{})
	defer close(done)
	// The subscription is there before the first look, so that no change is
	// missed.
	err := h.ns.Do(func() error {
		return netlink.LinkSubscribeWithOptions(updates, done, netlink.LinkSubscribeOptions{ErrorCallback: func(error) {}})
	})
	if err != nil {
		return fmt.Errorf("subscribe to link changes: %w", err)
	}
	deadline := time.NewTimer(awaitDeadline)
	defer deadline.Stop()
	for _, name := range names {
		for {
			up, err := h.isUp(name)
			if err != nil {
				return err
			}
			if up {
				break
			}
			select {
			case <-updates:
			case <-deadline.C:
				return fmt.Errorf("interface %s does not carry after %v", name, awaitDeadline)
			}
		}
	}
	return nil
}

// isUp tells whether an interface's operational state is up (RFC 2863, if_oper).
func (h *Handle) isUp(name string) (bool, error) {
	i, err := h.Index(name)
	if err != nil {
		return false, err
	}
	l, err := h.nl.LinkByIndex(i)
	if err != nil {
		return false, fmt.Errorf("look at interface %s: %w", name, err)
	}
	return l.Attrs().OperState == netlink.OperUp, nil
}
