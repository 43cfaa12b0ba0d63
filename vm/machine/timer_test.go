package machine

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"testbed/vm"
)

var wrongTimer = vm.Timer{MaxDelta: 34361639060, MinDelta: 1000, Mult: 268423168, Shift: 32}

// device is a struct clock_event_device up to the end of its timer's limits.
func device(setNextEvent uint64, t vm.Timer) []byte {
	b := make([]byte, 0, 56)
	for _, field := range []uint64{0xffffffff81100000, setNextEvent, 0, 4000000} {
		b = binary.LittleEndian.AppendUint64(b, field)
	}
	return append(b, encodeTimer(t)...)
}

func TestTellTimer(t *testing.T) {
	const (
		size     = 64 << 10
		function = 0xffffffff81057a10
	)
	right := trueTimer(wrongTimer.Shift)
	other := wrongTimer
	other.Mult++
	type at map[int][]byte
	for _, tt := range []struct {
		name         string
		before, then at
		found        bool
	}{
		{"empty memory", at{}, at{}, false},
		{"a device", at{4096: device(function, wrongTimer)}, at{4096: device(function, right)}, true},
		{"not aligned to a page", at{12 + 5000: device(function, wrongTimer)}, at{12 + 5000: device(function, right)}, true},
		{"at both ends",
			at{0: device(function, wrongTimer), size - 56: device(function, wrongTimer)},
			at{0: device(function, right), size - 56: device(function, right)}, true},
		{"one after the other",
			at{64: device(function, wrongTimer), 64 + 56: device(function, wrongTimer)},
			at{64: device(function, right), 64 + 56: device(function, right)}, true},
		{"another timer", at{64: device(function, other)}, at{64: device(function, other)}, false},
		{"no function", at{64: device(0, wrongTimer)}, at{64: device(0, wrongTimer)}, false},
		{"an address that is not of the kernel's text",
			at{64: device(0xffff888004c0ffee, wrongTimer)}, at{64: device(0xffff888004c0ffee, wrongTimer)}, false},
		{"nothing before it", at{0: encodeTimer(wrongTimer)}, at{0: encodeTimer(wrongTimer)}, false},
		{"a copy beside a device",
			at{64: encodeTimer(wrongTimer), 8192: device(function, wrongTimer)},
			at{64: encodeTimer(wrongTimer), 8192: device(function, right)}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			memory := func(parts at) []byte {
				b := make([]byte, size)
				for offset, part := range parts {
					copy(b[offset:], part)
				}
				return b
			}
			path := filepath.Join(t.TempDir(), "ram")
			if err := os.WriteFile(path, memory(tt.before), 0o600); err != nil {
				t.Fatal(err)
			}
			ram, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer ram.Close()
			if found, err := tellTimer(ram, size, wrongTimer); err != nil || found != tt.found {
				t.Errorf("found %v, not %v: %v", found, tt.found, err)
			}
			got, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(got, memory(tt.then)) {
				t.Errorf("the memory is not as it should be: %v", err)
			}
		})
	}
}

func TestTellTimerOfNoMemory(t *testing.T) {
	ram, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer ram.Close()
	if found, err := tellTimer(ram, 4096, wrongTimer); err == nil || found {
		t.Errorf("found %v in a device that can't be mapped", found)
	}
}

// The kernel sets the timer to nanoseconds * mult >> shift ticks, of which Speed
// are 16 nanoseconds of the guest.
func TestTrueTimer(t *testing.T) {
	for _, shift := range []uint32{20, 31, 32} {
		timer := trueTimer(shift)
		const second = 1e9
		if ticks := second * uint64(timer.Mult) >> shift; ticks != second*vm.Speed/16 || timer.Shift != shift {
			t.Errorf("shift %d: %d ticks a second, not %d", shift, ticks, uint64(second*vm.Speed/16))
		}
		// The register has 32 bits, of which the kernel uses 31 (arch/x86/kernel/apic/apic.c).
		if last := timer.MaxDelta * uint64(timer.Mult) >> shift; last > 0x7fffffff || last < 0x7fffffff-1 {
			t.Errorf("shift %d: the longest time has %#x ticks", shift, last)
		}
		if timer.MinDelta != 1000 {
			t.Errorf("shift %d: the shortest time is %d ns", shift, timer.MinDelta)
		}
	}
}
