package machine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"testbed/vm"
)

// tellTimer makes a guest that has halted know how fast its processor's timer is. The
// kernel took it for that of the processor whose name it has, so the timer fires far
// too early, the kernel sees by its clock that it is not yet time, and sets it again:
// right, but thousands of times a second. It tells whether it found the kernel's
// description of the timer; without, a guest is slow and not wrong.
func tellTimer(ram *os.File, size int, was vm.Timer) (bool, error) {
	memory, err := unix.Mmap(int(ram.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return false, fmt.Errorf("map the guest's memory: %w", err)
	}
	defer unix.Munmap(memory)
	pattern, found := encodeTimer(was), false
	for at := 0; ; {
		next := bytes.Index(memory[at:], pattern)
		if next < 0 {
			return found, nil
		}
		at += next
		if describesDevice(memory[:at]) {
			copy(memory[at:], encodeTimer(trueTimer(was.Shift)))
			found = true
		}
		at += len(pattern)
	}
}

// describesDevice tells whether what comes before a timer's limits in memory are
// the first fields of a struct clock_event_device (include/linux/clockchips.h):
// event_handler, set_next_event, set_next_ktime, next_event. The second one is a
// function of the kernel, whose text is in the last 2 GiB of the address space.
func describesDevice(before []byte) bool {
	const setNextEvent, textHigh = 24, 0xffffffff
	return len(before) >= setNextEvent && binary.LittleEndian.Uint64(before[len(before)-setNextEvent:])>>32 == textHigh
}

// trueTimer describes the processor's timer in the guest's time.
func trueTimer(shift uint32) vm.Timer {
	// QEMU's timer counts its nanoseconds, of which the kernel takes one in 16; a
	// nanosecond of the guest has Speed of QEMU's.
	const divisor = 16
	mult := uint64(vm.Speed) << shift / divisor
	delta := func(ticks uint64) uint64 { return ticks << shift / mult }
	return vm.Timer{MaxDelta: delta(0x7fffffff), MinDelta: max(1000, delta(15)), Mult: uint32(mult), Shift: shift}
}

// encodeTimer is how the kernel has it in memory.
func encodeTimer(t vm.Timer) []byte {
	b := binary.LittleEndian.AppendUint64(nil, t.MaxDelta)
	b = binary.LittleEndian.AppendUint64(b, t.MinDelta)
	b = binary.LittleEndian.AppendUint32(b, t.Mult)
	return binary.LittleEndian.AppendUint32(b, t.Shift)
}
