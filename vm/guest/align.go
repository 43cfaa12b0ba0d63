package guest

import (
	"errors"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"testbed/vm"
)

// counter reads the time stamp counter, which counts instructions here.
func counter() uint64

// align returns true exactly when the counter has reached a target: it waits in a
// loop, sees by how many instructions the loop has passed it, and executes as many
// fewer after it. It returns false if that is more than a round of the loop.
func align(target uint64) bool

// start is the instant at which every job of a snapshot begins. It is chosen before
// the snapshot is taken, so that it is the same for all of them.
type start struct {
	sleep unix.Timespec // by the guest's clock
	spin  uint64        // by its counter
}

// settling is how long after the snapshot a job begins; how many instructions the
// machine executes until it is idle for the first time can differ by a few.
const settling = 100 * time.Millisecond

// latest is how long after its time a sleep ends.
const latest = 40 * time.Microsecond

func chooseStart() start {
	now, count := time.Now(), counter()
	return start{
		unix.NsecToTimespec(now.Add(settling).UnixNano()),
		count + uint64(settling+latest)*vm.Speed,
	}
}

// await waits for the instant, to the instruction. What follows it is to wait for
// a timer that is set after it: the machine's timer counts in steps from when it
// is set.
func (s start) await() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return err
	}
	if err := sleepUntil(s.sleep); err != nil {
		return err
	}
	if !align(s.spin) {
		return errors.New("the guest woke too late to begin its job where all others began")
	}
	if err := sleepUntil(unix.NsecToTimespec(time.Now().Add(time.Millisecond).UnixNano())); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(slack), 0, 0, 0)
}

func sleepUntil(t unix.Timespec) error {
	for {
		if err := unix.ClockNanosleep(unix.CLOCK_REALTIME, unix.TIMER_ABSTIME, &t, nil); err != unix.EINTR {
			return err
		}
	}
}
