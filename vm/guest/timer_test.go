package guest

import (
	"strings"
	"testing"

	"testbed/vm"
)

// printed is what a kernel prints of a machine with two devices.
const printed = `Timer List Version: v0.10
HRTIMER_MAX_CLOCK_BASES: 8
now at 1000 nsecs

cpu: 0
 clock 0:
  .base:       0000000000000000
  .resolution: 1 nsecs
Tick Device: mode:     1
Broadcast device
Clock Event Device: hpet
 max_delta_ns:   149983013276
 min_delta_ns:   13409
 mult:           61496111
 shift:          32
 mode:           1
 next_event:     9223372036854775807 nsecs

Tick Device: mode:     1
Per CPU device: 0
Clock Event Device: lapic
 max_delta_ns:   34361639060
 min_delta_ns:   1000
 mult:           268423168
 shift:          32
 mode:           3
 next_event:     4000000 nsecs
`

func TestParseTimer(t *testing.T) {
	want := vm.Timer{MaxDelta: 34361639060, MinDelta: 1000, Mult: 268423168, Shift: 32}
	hpet, lapic, _ := strings.Cut(printed, "Tick Device: mode:     1\nPer CPU")
	for name, text := range map[string]string{
		"hpet first":  printed,
		"lapic first": lapic + hpet,
		"two lapics":  printed + strings.ReplaceAll(lapic, "268423168", "7"),
	} {
		if got, err := parseTimer(strings.NewReader(text)); err != nil || got != want {
			t.Errorf("%s: %+v, not %+v: %v", name, got, want, err)
		}
	}
}

func TestParseTimerRefuses(t *testing.T) {
	other := strings.ReplaceAll(printed, "lapic", "pit")
	for name, tt := range map[string]struct{ text, says string }{
		"nothing":        {"", "lapic"},
		"another device": {other, "lapic"},
		"a missing line": {strings.ReplaceAll(printed, " mult: ", " other:"), "lapic"},
		"no number":      {strings.ReplaceAll(printed, "268423168", "fast"), "mult"},
		"too large":      {strings.ReplaceAll(printed, "268423168", "4294967296"), "mult"},
		"negative":       {strings.ReplaceAll(printed, "34361639060", "-1"), "max_delta_ns"},
	} {
		if got, err := parseTimer(strings.NewReader(tt.text)); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
