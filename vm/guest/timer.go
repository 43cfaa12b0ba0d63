package guest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"testbed/vm"
)

const timerList = "/proc/timer_list"

// readTimer is what the kernel thinks of the processor's timer.
func readTimer() (vm.Timer, error) {
	f, err := os.Open(timerList)
	if err != nil {
		return vm.Timer{}, err
	}
	defer f.Close()
	return parseTimer(f)
}

// parseTimer finds it in what the kernel prints (kernel/time/timer_list.c).
func parseTimer(list io.Reader) (vm.Timer, error) {
	const name = "Clock Event Device: lapic"
	var t vm.Timer
	fields := map[string]any{"max_delta_ns": &t.MaxDelta, "min_delta_ns": &t.MinDelta, "mult": &t.Mult, "shift": &t.Shift}
	found := false
	for s := bufio.NewScanner(list); s.Scan() && len(fields) > 0; {
		key, value, _ := strings.Cut(strings.TrimSpace(s.Text()), ":")
		if strings.HasPrefix(s.Text(), "Clock Event Device") {
			found = strings.HasPrefix(s.Text(), name)
		}
		if to := fields[key]; found && to != nil {
			if _, err := fmt.Sscan(strings.TrimSpace(value), to); err != nil {
				return vm.Timer{}, fmt.Errorf("read %s of %s: %w", key, timerList, err)
			}
			delete(fields, key)
		}
	}
	if len(fields) > 0 {
		return vm.Timer{}, fmt.Errorf("%s does not tell of %s", timerList, name)
	}
	return t, nil
}
