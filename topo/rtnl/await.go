package rtnl

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// awaitDeadline is how long an interface may take to begin to carry.
const awaitDeadline = 5 * time.Second

// AwaitUp waits until interfaces carry frames. The end of a veth pair that was
// up first begins to carry some time after the other end came up, in the
// kernel's own time (net/core/link_watch.c); until then it drops what is sent.
func (h *Handle) AwaitUp(names ...string) error {
	subscribe := func(done chan struct{}) (<-chan struct{}, error) {
		updates := make(chan netlink.LinkUpdate)
		err := netlink.LinkSubscribeWithOptions(updates, done, netlink.LinkSubscribeOptions{ErrorCallback: func(error) {}})
		if err != nil {
			return nil, err
		}
		return forward(updates, done), nil
	}
	return h.await(subscribe, len(names), func(i int) (bool, string, error) {
		up, err := h.isUp(names[i])
		return up, "interface " + names[i] + " carries", err
	})
}

// AwaitLocal waits until the namespace takes packets to its own addresses. The
// kernel adds the local route of an IPv6 address from a worker of its own
// (net/ipv6/addrconf.c, addrconf_dad_work).
func (h *Handle) AwaitLocal(addrs ...netip.Addr) error {
	subscribe := func(done chan struct{}) (<-chan struct{}, error) {
		updates := make(chan netlink.RouteUpdate)
		err := netlink.RouteSubscribeWithOptions(updates, done, netlink.RouteSubscribeOptions{ErrorCallback: func(error) {}})
		if err != nil {
			return nil, err
		}
		return forward(updates, done), nil
	}
	return h.await(subscribe, len(addrs), func(i int) (bool, string, error) {
		routes, err := h.nl.RouteGet(addrs[i].AsSlice())
		if err != nil && !errors.Is(err, unix.ENETUNREACH) {
			return false, "", fmt.Errorf("look %s up: %w", addrs[i], err)
		}
		return len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL, addrs[i].String() + " is local", nil
	})
}

// await waits until each of n conditions holds. It looks first, and subscribes to
// the kernel's notices of change only if one does not hold yet.
func (h *Handle) await(subscribe func(done chan struct{}) (<-chan struct{}, error), n int, holds func(i int) (ok bool, what string, err error)) error {
	var changed <-chan struct{}
	deadline := time.NewTimer(awaitDeadline)
	defer deadline.Stop()
	done := make(chan struct{})
	defer close(done)
	for i := 0; i < n; {
		ok, what, err := holds(i)
		switch {
		case err != nil:
			return err
		case ok:
			i++
			continue
		case changed == nil:
			// One more look follows, so that no change is missed.
			if err := h.ns.Do(func() (err error) { changed, err = subscribe(done); return err }); err != nil {
				return fmt.Errorf("subscribe to changes: %w", err)
			}
			continue
		}
		select {
		case <-changed:
		case <-deadline.C:
			return fmt.Errorf("wait until %s: %w", what, os.ErrDeadlineExceeded)
		}
	}
	return nil
}

// forward turns notices into wake-ups, until done.
func forward[T any](updates <-chan T, done <-chan struct{}) <-chan struct{} {
	changed := make(chan struct{}, 1)
	go func() {
		for {
			select {
			case <-done:
				// The subscription's own goroutine may hold one more notice.
				for range updates {
				}
				return
			case _, open := <-updates:
				if !open {
					return
				}
				select {
				case changed <- struct{}{}:
				default:
				}
			}
		}
	}()
	return changed
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
