package kernel

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"testbed/topo/netns"
)

// TCPCounters are the extended counters of a namespace's TCP, by name, such as
// ListenOverflows (TcpExt in /proc/net/netstat, net/ipv4/proc.c).
func TCPCounters(ns *netns.NS) (counters map[string]uint64, err error) {
	err = ns.Do(func() error {
		f, err := os.Open("/proc/thread-self/net/netstat")
		if err != nil {
			return err
		}
		defer f.Close()
		counters, err = readCounters(f, "TcpExt:")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read counters of TCP: %w", err)
	}
	return counters, nil
}

// readCounters reads a group from pairs of lines, of which the first has the names
// and the second the values.
func readCounters(r io.Reader, group string) (map[string]uint64, error) {
	lines := bufio.NewScanner(r)
	var names []string
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) == 0 || fields[0] != group:
		case names == nil:
			names = fields
		default:
			return pairs(names[1:], fields[1:])
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("the kernel has no counters %s", group)
}

func pairs(names, values []string) (map[string]uint64, error) {
	if len(names) != len(values) {
		return nil, fmt.Errorf("%d names of counters and %d values", len(names), len(values))
	}
	counters := make(map[string]uint64, len(names))
	for i, name := range names {
		if strings.HasPrefix(values[i], "-") {
			continue // a gauge
		}
		n, err := strconv.ParseUint(values[i], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("counter %s: %w", name, err)
		}
		counters[name] = n
	}
	return counters, nil
}
