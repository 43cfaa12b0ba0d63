package kernel

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Ticks is how often a second the running kernel's clock ticks (CONFIG_HZ): its
// coarse clocks have that resolution (clock_getres(2)).
func Ticks() (int, error) {
	var tick unix.Timespec
	if err := unix.ClockGetres(unix.CLOCK_REALTIME_COARSE, &tick); err != nil {
		return 0, fmt.Errorf("read the kernel's tick: %w", err)
	}
	if tick.Nano() <= 0 {
		return 0, fmt.Errorf("read the kernel's tick: it is %d ns", tick.Nano())
	}
	// A tick of a third of a millisecond is cut to whole nanoseconds.
	return int((time.Second.Nanoseconds() + tick.Nano()/2) / tick.Nano()), nil
}
