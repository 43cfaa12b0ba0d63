package wire

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What an epoll event is about, when it is not about the port of that index.
const (
	timerEvent = -1
	closeEvent = -2
)

// pollMost bounds one wait, in milliseconds, so that the Go runtime can stop the
// thread even where its preemption signal is switched off.
const pollMost = 100

// poll waits for sockets and for a moment.
type poll struct {
	epoll, timer, wake int
	// target is what the timer is set to, on the engine's clock; 0 if not set.
	target int64
	events [64]unix.EpollEvent
	spec   unix.ItimerSpec
}

func newPoll() (*poll, error) {
	p := &poll{epoll: -1, timer: -1, wake: -1}
	if err := p.open(); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *poll) open() (err error) {
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if p.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		return os.NewSyscallError("timerfd_create", err)
	}
	if p.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	// Edge-triggered, the timer need not be read.
	if err := p.watch(p.timer, timerEvent, unix.EPOLLET); err != nil {
		return err
	}
	return p.watch(p.wake, closeEvent, 0)
}

// watch makes wait report the descriptor as subject. It is safe for concurrent
// use.
func (p *poll) watch(fd, subject int, flags uint32) error {
	ev := unix.EpollEvent{Events: unix.EPOLLIN | flags, Fd: int32(subject)}
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		return fmt.Errorf("watch descriptor: %w", os.NewSyscallError("epoll_ctl", err))
	}
	return nil
}

// ready returns what can be read at once.
func (p *poll) ready() []unix.EpollEvent { return p.pwait(0) }

// until waits for something to read, for the moment target, or for no reason.
func (p *poll) until(now, target int64) []unix.EpollEvent {
	if p.target != target {
		p.arm(now, target)
	}
	return p.pwait(pollMost)
}

func (p *poll) arm(now, target int64) {
	p.target = target
	p.spec.Value = unix.NsecToTimespec(max(1, target-now))
	unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, uintptr(p.timer), 0, uintptr(unsafe.Pointer(&p.spec)), 0, 0, 0)
}

// pwait returns nothing when a signal interrupts it: the runtime wants the
// goroutine, and has it when this returns.
func (p *poll) pwait(ms int) []unix.EpollEvent {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.epoll), uintptr(unsafe.Pointer(&p.events)), uintptr(len(p.events)), uintptr(ms), 0, 0)
	if errno != 0 {
		return nil
	}
	return p.events[:n]
}

// interrupt ends a wait. It is safe for concurrent use.
func (p *poll) interrupt() {
	one := [8]byte{1, 1, 1, 1, 1, 1, 1, 1} // any number but 0, in any byte order
	_, _ = unix.Write(p.wake, one[:])
}

func (p *poll) close() {
	for _, fd := range []int{p.wake, p.timer, p.epoll} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}
