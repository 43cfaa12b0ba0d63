package tcp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// waiter waits for something of a socket, for a time at most, and until a context
// ends.
type waiter struct {
	ctx context.Context
	// ended is an eventfd that the context's end makes readable, timer a timerfd:
	// the kernel lets poll(2) itself return late, by a thousandth of its timeout
	// (select_estimate_accuracy in fs/select.c).
	ended, timer int
	stop         func()
}

// newWaiter makes a waiter, which the caller closes.
func newWaiter(ctx context.Context) (*waiter, error) {
	ended, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("make eventfd: %w", err)
	}
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		unix.Close(ended)
		return nil, fmt.Errorf("make timerfd: %w", err)
	}
	w := &waiter{ctx: ctx, ended: ended, timer: timer}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		unix.Write(ended, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	})
	w.stop = func() {
		if !stop() {
			<-done
		}
	}
	return w, nil
}

// limit lets a wait expire so long from now; zero lets none.
func (w *waiter) limit(d time.Duration) error {
	if err := unix.TimerfdSettime(w.timer, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}, nil); err != nil {
		return fmt.Errorf("set timer: %w", err)
	}
	return nil
}

// wait waits until a socket has one of the events, or an error; expired is true
// when the time has passed first. The error is the testbed's own or the context's.
func (w *waiter) wait(fd int, events int16) (has int16, expired bool, err error) {
	for {
		fds := []unix.PollFd{{Fd: int32(fd), Events: events}, {Fd: int32(w.ended), Events: unix.POLLIN}, {Fd: int32(w.timer), Events: unix.POLLIN}}
		_, err := unix.Ppoll(fds, nil, nil)
		switch {
		case errors.Is(err, unix.EINTR): // by Go's own signals
		case err != nil:
			return 0, false, fmt.Errorf("wait for connection: %w", err)
		case fds[1].Revents != 0:
			return 0, false, w.ctx.Err()
		case fds[0].Revents != 0:
			return fds[0].Revents, false, nil
		case fds[2].Revents != 0:
			return 0, true, nil
		}
	}
}

func (w *waiter) close() {
	w.stop()
	unix.Close(w.ended)
	unix.Close(w.timer)
}
