package run

import (
	"context"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// nap is how long a look at the machine sleeps; a machine is calm when naps
	// in a row, on every processor, end no later than drowsy after their time.
	nap    = 250 * time.Microsecond
	naps   = 8
	drowsy = 750 * time.Microsecond
	// calmMost bounds the wait: a machine that stays busy is measured on as it is.
	calmMost = 2 * time.Second
)

// awaitCalm waits until the processors answer at once, but not for ever. What an
// earlier run left to the kernel, which destroys namespaces in its own time and
// does not let itself be interrupted, would delay the first frames.
func awaitCalm(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, calmMost)
	defer cancel()
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return
	}
	var wg sync.WaitGroup
	for cpu := range len(allowed) * 64 {
		if allowed.IsSet(cpu) {
			wg.Go(func() { napOn(ctx, cpu) })
		}
	}
	wg.Wait()
}

// napOn takes naps on one processor until enough in a row ended in time. Its
// thread ends with it.
func napOn(ctx context.Context, cpu int) {
	runtime.LockOSThread()
	var only unix.CPUSet
	only.Set(cpu)
	if err := unix.SchedSetaffinity(0, &only); err != nil {
		return
	}
	for good := 0; good < naps && ctx.Err() == nil; {
		began := time.Now()
		ts := unix.NsecToTimespec(int64(nap))
		_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &ts, nil)
		if good++; time.Since(began) > nap+drowsy {
			good = 0
		}
	}
}
