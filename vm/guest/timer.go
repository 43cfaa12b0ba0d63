package guest

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"testbed/vm"
)

// readTimer is what the kernel thinks of the processor's timer (/proc/timer_list,
// kernel/time/timer_list.c).
func readTimer() (vm.Timer, error) {
	const path, name = "/proc/timer_list", "Clock Event Device: lapic"
	f, err := os.Open(path)
	if err != nil {
		return vm.Timer{}, err
	}
	defer f.Close()
	var t vm.Timer
	fields := map[string]any{"max_delta_ns": &t.MaxDelta, "min_delta_ns": &t.MinDelta, "mult": &t.Mult, "shift": &t.Shift}
	found := false
	for s := bufio.NewScanner(f); s.Scan() && len(fields) > 0; {
		key, value, _ := strings.Cut(strings.TrimSpace(s.Text()), ":")
		if strings.HasPrefix(s.Text(), "Clock Event Device") {
			found = strings.HasPrefix(s.Text(), name)
		}
		if to := fields[key]; found && to != nil {
			if _, err := fmt.Sscan(strings.TrimSpace(value), to); err != nil {
				return vm.Timer{}, fmt.Errorf("read %s of %s: %w", key, path, err)
			}
			delete(fields, key)
		}
	}
	if len(fields) > 0 {
		return vm.Timer{}, fmt.Errorf("%s does not tell of %s", path, name)
	}
	return t, nil
}
