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

// ListenOverflows is how many connection requests, and last ACKs of handshakes,
// the listeners of a namespace have dropped because their accept queue was full
// (TcpExtListenOverflows in /proc/net/netstat, net/ipv4/tcp_input.c and
// net/ipv4/tcp_ipv4.c).
func ListenOverflows(ns *netns.NS) (n uint64, err error) {
	err = ns.Do(func() error {
		f, err := os.Open("/proc/thread-self/net/netstat")
		if err != nil {
			return err
		}
		defer f.Close()
		n, err = readCounter(f, "TcpExt:", "ListenOverflows")
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("count overflows of accept queues: %w", err)
	}
	return n, nil
}

// readCounter finds a counter in pairs of lines, of which the first has the names
// and the second the values.
func readCounter(r io.Reader, group, name string) (uint64, error) {
	lines := bufio.NewScanner(r)
	var names []string
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) == 0 || fields[0] != group:
		case names == nil:
			names = fields
		default:
			for i, n := range names {
				if n == name && i < len(fields) {
					return strconv.ParseUint(fields[i], 10, 64)
				}
			}
		}
	}
	if err := lines.Err(); err != nil {
		return 0, err
	}
	return 0, fmt.Errorf("the kernel has no counter %s", name)
}
