package timers

import (
	"fmt"
	"strings"
	"time"
)

// Settings are what the timers of a node follow from.
type Settings struct {
	// HZ is the kernel's ticks a second (CONFIG_HZ).
	HZ int
	// Sysctls are values of Sysctls, by name; those that the kernel does not have
	// are not there.
	Sysctls map[string]int
}

// Sysctls are the kernel parameters that timers follow from (ip-sysctl.rst).
var Sysctls = []string{
	synRetries, synLinear, synackRetries, keepaliveTime, keepaliveInterval, keepaliveProbes,
	retries2, rtoMax, rtoMin, earlyRetrans, sack, finTimeout,
}

const (
	synRetries        = "net.ipv4.tcp_syn_retries"
	synLinear         = "net.ipv4.tcp_syn_linear_timeouts" // since Linux 6.5
	synackRetries     = "net.ipv4.tcp_synack_retries"
	keepaliveTime     = "net.ipv4.tcp_keepalive_time"
	keepaliveInterval = "net.ipv4.tcp_keepalive_intvl"
	keepaliveProbes   = "net.ipv4.tcp_keepalive_probes"
	retries2          = "net.ipv4.tcp_retries2"
	rtoMax            = "net.ipv4.tcp_rto_max_ms" // since Linux 6.15
	rtoMin            = "net.ipv4.tcp_rto_min_us" // since Linux 6.11
	earlyRetrans      = "net.ipv4.tcp_early_retrans"
	sack              = "net.ipv4.tcp_sack"
	finTimeout        = "net.ipv4.tcp_fin_timeout"
)

// What include/net/tcp.h fixes.
const (
	initialRTO    = 1 * time.Second        // TCP_TIMEOUT_INIT
	modelRTO      = 200 * time.Millisecond // TCP_RTO_MIN
	defaultRTOMax = 120 * time.Second      // TCP_RTO_MAX
	timeWaitLen   = 60 * time.Second       // TCP_TIMEWAIT_LEN
)

// Schedule is a timeout of the kernel's with what is sent meanwhile.
type Schedule struct {
	// Sent are when segments leave, from the first, which Sent begins with.
	Sent []Window
	// End is when the kernel gives up.
	End Window
	// From names what it was computed from: "tcp_syn_retries 6, HZ 250".
	From string
}

// reading collects the values that a schedule follows from.
type reading struct {
	s    Settings
	from []string
	err  error
}

func (s Settings) read() *reading {
	r := &reading{s: s}
	if s.HZ <= 0 {
		r.err = fmt.Errorf("the kernel's tick is not known")
	}
	return r
}

// value is that of a sysctl which every kernel has.
func (r *reading) value(name string) int {
	v, ok := r.s.Sysctls[name]
	if !ok && r.err == nil {
		r.err = fmt.Errorf("%s is not known", name)
	}
	r.note(name, v)
	return v
}

// optional is that of a sysctl which some kernels do not have, and which says
// nothing where it is as if it were absent.
func (r *reading) optional(name string, absent int) int {
	v, ok := r.s.Sysctls[name]
	if !ok {
		return absent
	}
	if v != absent {
		r.note(name, v)
	}
	return v
}

func (r *reading) note(name string, v int) {
	r.from = append(r.from, fmt.Sprintf("%s %d", strings.TrimPrefix(name, "net.ipv4."), v))
}

// says completes a schedule with what it follows from.
func (r *reading) says(s Schedule) (Schedule, error) {
	s.From = strings.Join(append(r.from, fmt.Sprintf("HZ %d", r.s.HZ)), ", ")
	return s, r.err
}

// rtoMax is the longest interval between two retransmissions.
func (r *reading) rtoMax() time.Duration {
	return time.Duration(r.optional(rtoMax, int(defaultRTOMax.Milliseconds()))) * time.Millisecond
}

// modelTimeout is how long so many retransmissions take that begin at base and
// back off (tcp_model_timeout in net/ipv4/tcp_timer.c).
func modelTimeout(boundary int, base, most time.Duration) time.Duration {
	linear := 0
	for most/base>>(linear+1) > 0 {
		linear++
	}
	if boundary <= linear {
		return (2<<boundary - 1) * base
	}
	return (2<<linear-1)*base + time.Duration(boundary-linear)*most
}
