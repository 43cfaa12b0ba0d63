package run

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"testbed/agents/tcp"
	"testbed/observe/kernel"
	"testbed/scenarios/spec"
	"testbed/scenarios/timers"
	"testbed/scenarios/verdict"
	"testbed/topo/rtnl"
)

// readTimers adds to an observation what the timers of both ends follow from,
// where something is expected of them.
func (l *Lab) readTimers(o *verdict.Observation, e *spec.Expect) (err error) {
	if !e.OfTheKernel() {
		return nil
	}
	p := l.net.Plan.Topology
	if node := p.NodeIndex(o.From); node >= 0 {
		if o.ClientTimers, err = l.timers(node); err != nil {
			return err
		}
	}
	if node := p.NodeIndex(o.Target); node >= 0 {
		o.ServerTimers, err = l.timers(node)
	}
	return err
}

// timers are a node's settings as they are.
func (l *Lab) timers(node int) (*timers.Settings, error) {
	hz, err := kernel.Ticks()
	if err != nil {
		return nil, err
	}
	s := &timers.Settings{HZ: hz, Sysctls: map[string]int{}}
	for _, name := range timers.Sysctls {
		n, err := l.sysctl(node, name)
		var unknown *rtnl.UnknownSysctl
		switch {
		case errors.As(err, &unknown):
		case err != nil:
			return nil, err
		default:
			s.Sysctls[name] = n
		}
	}
	return s, nil
}

// sysctl is a node's kernel parameter that is a number.
func (l *Lab) sysctl(node int, name string) (int, error) {
	text, err := l.net.Sysctl(node, name)
	if err != nil {
		return 0, fmt.Errorf("node %s: read sysctl %s: %w", l.net.Plan.Nodes[node].Name, name, err)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("node %s: sysctl %s is %q, not a number", l.net.Plan.Nodes[node].Name, name, text)
	}
	return n, nil
}

// keepAlive are the probes that a node's kernel has by default. Package net sets
// its own on a socket, so that the kernel's must be set again.
func (l *Lab) keepAlive(node int) (c net.KeepAliveConfig, err error) {
	var values [3]int
	for i, name := range []string{"tcp_keepalive_time", "tcp_keepalive_intvl", "tcp_keepalive_probes"} {
		if values[i], err = l.sysctl(node, "net.ipv4."+name); err != nil {
			return c, err
		}
	}
	seconds := func(n int) time.Duration { return time.Duration(n) * time.Second }
	return net.KeepAliveConfig{Enable: true, Idle: seconds(values[0]), Interval: seconds(values[1]), Count: values[2]}, nil
}

// estimate is what the connection's retransmissions would begin from: as it was
// before the first of those that have not ended yet.
func (c *connection) estimate() timers.Estimate {
	info, err := tcp.ReadInfo(c.conn)
	if err == nil && !info.BackedOff {
		c.last = timers.Estimate{RTO: info.RTO, RTT: info.RTT}
	}
	return c.last
}
