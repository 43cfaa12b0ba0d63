package qemu

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// gate keeps the emulator's main thread from running beside its processor's.
//
// Each round of QEMU's main loop looks whether the processor is idle, and then puts
// the clock forward to the next timer (icount_start_warp_timer in
// softmmu/icount.c). The processor is taken to be idle from the HLT instruction on,
// but what it has executed since it last read its clock is accounted for a moment
// later, by the processor's thread (icount_process_data). A main loop that looks in
// between puts the clock forward too far, by a few thousand instructions. Whether it
// does hangs on how the host schedules the two threads: on a busy host one run in
// three had such a moment, and went on nanoseconds beside the others.
//
// So the main thread waits at the door of ppoll(2), where each of its rounds begins,
// until the processor's thread waits for a condition, as only an idle processor does.
// The kernel asks us at both of these system calls (seccomp(2),
// SECCOMP_RET_USER_NOTIF) and lets them go on as they are.
type gate struct {
	listener int

	mu sync.Mutex
	// main and processor are the threads; 0 lets everything pass.
	main, processor int
	// call is where the processor's thread is in the kernel, and state whether it
	// sleeps: its files syscall and stat (proc_pid_syscall(5), proc_pid_stat(5)).
	call, state *os.File
	// conditions tells that threads of the emulator wait for them as those of glibc.
	// Without that, an idle processor is one whose thread sleeps, for whatever.
	conditions bool
	// held is the main thread's call that waits, 0 for none.
	held uint64
	// blocked is since when the processor's thread has slept for something else; zero
	// while it does not.
	blocked time.Time
}

// futexWaitBitset is FUTEX_WAIT_BITSET of linux/futex.h, the operation of glibc's
// pthread_cond_wait; its locks wait by FUTEX_WAIT. futexCommand masks the flags.
const (
	futexWaitBitset = 9
	futexCommand    = 0x7f
)

// Offsets in struct seccomp_data (linux/seccomp.h).
const (
	dataNumber    = 0
	dataArch      = 4
	dataSecondArg = 24
)

// errNoGate means that the host has none, and a guest's clock depends on its load.
var errNoGate = errors.New("no gate on this architecture")

// newGate makes one for the programs that the calling thread starts from now on. The
// thread must be locked, must serve nothing else any more, and be the last to end.
// The caller calls serve at once, in another thread.
func newGate() (*gate, error) {
	if runtime.GOARCH != "amd64" {
		return nil, errNoGate
	}
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	equal := func(k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jt: yes, Jf: no}
	}
	filter := []unix.SockFilter{
		load(dataArch),
		equal(unix.AUDIT_ARCH_X86_64, 0, 6),
		load(dataNumber),
		equal(unix.SYS_PPOLL, 5, 0),
		equal(unix.SYS_FUTEX, 0, 3),
		load(dataSecondArg),
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: futexCommand},
		equal(futexWaitBitset, 1, 0),
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
	}
	// Without privilege a filter may only be set by who gains none any more.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("renounce privileges: %w", err)
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return nil, fmt.Errorf("watch the emulator's system calls: %w", errno)
	}
	unix.CloseOnExec(int(fd))
	return &gate{listener: int(fd)}, nil
}

// notification is struct seccomp_notif, answer struct seccomp_notif_resp.
type (
	notification struct {
		id            uint64
		thread, flags uint32
		number        int32
		arch          uint32
		ip            uint64
		args          [6]uint64
	}
	answer struct {
		id    uint64
		value int64
		errno int32
		flags uint32
	}
)

// The gate looks after firstLook whether the processor sleeps while it holds the main
// thread, and then twice as late each time up to lastLook: one that was on its way to
// sleep when the main thread came tells nothing more.
const (
	firstLook = 50 * time.Microsecond
	lastLook  = time.Millisecond
)

// patience is how long the processor may sleep for something else than a condition.
// No lock is held that long, and what the main thread would have to do for it is not
// known: better a clock that may be off than a machine that hangs.
const patience = time.Second

// serve answers until every thread has ended that the gate was made for.
func (g *gate) serve() {
	defer g.close()
	look := firstLook
	for {
		var wait *unix.Timespec
		if g.holds() {
			t := unix.NsecToTimespec(int64(look))
			wait, look = &t, min(2*look, lastLook)
		} else {
			look = firstLook
		}
		poll := []unix.PollFd{{Fd: int32(g.listener), Events: unix.POLLIN}}
		if _, err := unix.Ppoll(poll, wait, nil); err != nil && err != unix.EINTR {
			return
		}
		switch has := poll[0].Revents; {
		case has == 0:
			g.release(false)
		case has&unix.POLLIN == 0:
			return
		default:
			g.receive()
		}
	}
}

// asked tells whether a thread waits for an answer.
func (g *gate) asked() bool {
	poll := []unix.PollFd{{Fd: int32(g.listener), Events: unix.POLLIN}}
	n, err := unix.Poll(poll, 0)
	return n != 0 || err != nil
}

// receive takes a call and answers it.
func (g *gate) receive() {
	var n notification
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(g.listener), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&n))); errno == 0 {
		g.answer(&n)
	} // else it was interrupted, or who asked is gone
}

// follow begins to hold the main thread of a process back for one of its threads,
// which executes the guest.
func (g *gate) follow(process, processor int) error {
	task := fmt.Sprintf("/proc/%d/task/%d/", process, processor)
	state, err := os.Open(task + "stat")
	if err != nil {
		return fmt.Errorf("follow the emulator's processor: %w", err)
	}
	// Where the host hides it, sleeping must do.
	call, err := os.Open(task + "syscall")
	if err == nil {
		_, err = call.ReadAt(make([]byte, 1), 0)
	}
	if err != nil {
		call.Close()
		call = nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.main, g.processor, g.call, g.state = process, processor, call, state
	return nil
}

// answer lets a call go on, or holds it until the processor is idle.
func (g *gate) answer(n *notification) {
	g.mu.Lock()
	thread := int(n.thread)
	switch {
	case n.number == unix.SYS_PPOLL && thread != 0 && thread == g.main:
		g.held, g.blocked = n.id, time.Time{}
		g.mu.Unlock()
		g.release(false)
		return
	case n.number == unix.SYS_FUTEX:
		g.conditions = true
	}
	idle := thread != 0 && thread == g.processor && waits(n)
	g.mu.Unlock()
	g.pass(n.id)
	g.release(idle)
}

func (g *gate) holds() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held != 0
}

// waits tells whether a call of futex(2) is going to wait. One whose condition was
// signalled since the thread has given up its lock returns at once.
func waits(n *notification) bool {
	var word uint32
	size := int(unsafe.Sizeof(word))
	local := []unix.Iovec{{Base: (*byte)(unsafe.Pointer(&word)), Len: uint64(size)}}
	remote := []unix.RemoteIovec{{Base: uintptr(n.args[0]), Len: size}}
	got, err := unix.ProcessVMReadv(int(n.thread), local, remote, 0)
	return err == nil && got == size && word == uint32(n.args[2])
}

// release lets the call go on that is held, if the processor is idle.
func (g *gate) release(idle bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held != 0 && (idle || g.idle()) {
		g.pass(g.held)
		g.held = 0
	}
}

// idle tells whether the processor's thread waits for a condition. One that waits for
// our answer to its call may yet find that it was signalled.
func (g *gate) idle() bool {
	waits, sleeps := g.look()
	switch {
	case waits:
		return !g.asked()
	case !sleeps:
		g.blocked = time.Time{}
	case g.blocked.IsZero():
		g.blocked = time.Now()
	default:
		return time.Since(g.blocked) > patience
	}
	return false
}

// look tells whether the processor's thread waits for a condition, and whether it
// sleeps at all. One that was interrupted by the host's scheduler does neither, nor does
// one that was just woken: that one has a call yet, but is not said to sleep.
func (g *gate) look() (waits, sleeps bool) {
	var b [256]byte
	n, _ := g.state.ReadAt(b[:], 0)
	_, rest, _ := bytes.Cut(b[:n], []byte(") "))
	sleeps = len(rest) > 0 && rest[0] == 'S'
	if !sleeps || g.call == nil || !g.conditions {
		return sleeps, sleeps
	}
	n, _ = g.call.ReadAt(b[:], 0)
	var number int
	var word, operation uint64
	if _, err := fmt.Sscanf(string(b[:n]), "%d 0x%x 0x%x", &number, &word, &operation); err != nil {
		return false, false // it runs again
	}
	return number == unix.SYS_FUTEX && operation&futexCommand == futexWaitBitset, true
}

// pass lets a call go on. It may be gone already, which is no matter.
func (g *gate) pass(id uint64) {
	a := answer{id: id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	unix.Syscall(unix.SYS_IOCTL, uintptr(g.listener), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&a)))
}

func (g *gate) close() {
	unix.Close(g.listener)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, f := range []*os.File{g.call, g.state} {
		if f != nil {
			f.Close()
		}
	}
}
