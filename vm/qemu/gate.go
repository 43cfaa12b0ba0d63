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
// until the processor's thread sleeps: in pthread_cond_wait, as an idle processor
// does, or for a lock. The kernel asks us at both of these system calls (seccomp(2),
// SECCOMP_RET_USER_NOTIF) and lets them go on as they are.
type gate struct {
	listener int

	mu sync.Mutex
	// main and processor are the threads; 0 lets everything pass.
	main, processor int
	// state is the processor's thread's stat file (proc_pid_stat(5)).
	state *os.File
	// held is the main thread's call that waits, 0 for none, and until how long the
	// call itself would, at most.
	held  uint64
	until time.Time
}

// futexWaitBitset is FUTEX_WAIT_BITSET of linux/futex.h, the operation of
// pthread_cond_wait; futexCommand masks its flags.
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

// recheck is how often, in milliseconds, the gate looks whether the processor sleeps
// while it holds the main thread: one that was on its way to sleep when the main
// thread came tells nothing more.
const recheck = 1

// serve answers until every thread has ended that the gate was made for.
func (g *gate) serve() {
	defer g.close()
	for {
		patience := -1
		if g.holds() {
			patience = recheck
		}
		poll := []unix.PollFd{{Fd: int32(g.listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, patience); err != nil && err != unix.EINTR {
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
	f, err := os.Open(fmt.Sprintf("/proc/%d/task/%d/stat", process, processor))
	if err != nil {
		return fmt.Errorf("follow the emulator's processor: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.main, g.processor, g.state = process, processor, f
	return nil
}

// answer lets a call go on, or holds it until the processor sleeps.
func (g *gate) answer(n *notification) {
	g.mu.Lock()
	hold := g.main != 0 && n.number == unix.SYS_PPOLL && int(n.thread) == g.main && !g.sleeps()
	if hold {
		g.held, g.until = n.id, time.Now().Add(timeout(n))
	}
	idle := int(n.thread) == g.processor
	g.mu.Unlock()
	if hold {
		return
	}
	g.release(idle)
	g.pass(n.id)
}

func (g *gate) holds() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held != 0
}

// timeout is that of a call of ppoll(2): a timer of the host's clock, without which
// the processor may have to wait for the main thread. One that can't be read is none.
func timeout(n *notification) time.Duration {
	const never = time.Hour
	var t unix.Timespec
	size := int(unsafe.Sizeof(t))
	if n.args[2] == 0 {
		return never
	}
	local := []unix.Iovec{{Base: (*byte)(unsafe.Pointer(&t)), Len: uint64(size)}}
	remote := []unix.RemoteIovec{{Base: uintptr(n.args[2]), Len: size}}
	if got, err := unix.ProcessVMReadv(int(n.thread), local, remote, 0); err != nil || got != size {
		return never
	}
	return time.Duration(t.Nano())
}

// release lets the call go on that is held, if the processor is idle or sleeps, or
// the call's own time is over.
func (g *gate) release(idle bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held != 0 && (idle || g.sleeps() || !time.Now().Before(g.until)) {
		g.pass(g.held)
		g.held = 0
	}
}

// sleeps tells whether the processor's thread waits for something. One that was
// interrupted by the host's scheduler does not.
func (g *gate) sleeps() bool {
	var b [256]byte
	n, _ := g.state.ReadAt(b[:], 0)
	_, rest, _ := bytes.Cut(b[:n], []byte(") "))
	return len(rest) > 0 && rest[0] == 'S'
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
	if g.state != nil {
		g.state.Close()
	}
}
