// Package alarm waits for moments with a timer of the kernel's own, which comes
// some tens of microseconds late where Go's timers, rounded to milliseconds on
// their way into epoll_wait(2), come up to a millisecond late.
package alarm

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Alarm goes off once. Its methods are safe for concurrent use.
type Alarm struct {
	// C is closed when the time has come. It stays open if Stop comes first.
	C <-chan struct{}

	timer *os.File
}

// Set makes an alarm that goes off so long from now, at once if that is not
// later. The caller stops it.
func Set(d time.Duration) (*Alarm, error) {
	c := make(chan struct{})
	a := &Alarm{C: c}
	if d <= 0 {
		close(c)
		return a, nil
	}
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("make timerfd: %w", err)
	}
	// What does not block is waited for by the runtime's poller.
	a.timer = os.NewFile(uintptr(fd), "alarm")
	if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}, nil); err != nil {
		a.timer.Close()
		return nil, fmt.Errorf("set timer: %w", err)
	}
	go func() {
		if _, err := a.timer.Read(make([]byte, 8)); err == nil {
			close(c)
		}
	}()
	return a, nil
}

// Stop releases the alarm, whether it has gone off or not. A nil alarm has
// nothing to release.
func (a *Alarm) Stop() {
	if a != nil && a.timer != nil {
		a.timer.Close()
	}
}
