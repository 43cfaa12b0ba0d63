package timers

import (
	"fmt"
	"time"
)

// Estimate is what a connection's retransmissions begin from, as TCP_INFO has it
// while nothing is lost.
type Estimate struct {
	// RTO is the retransmission timeout, RTT the smoothed round-trip time.
	RTO, RTT time.Duration
}

// Retries2 is data on an established connection that nothing acknowledges: End is
// ETIMEDOUT, from the first transmission (tcp_write_timeout in net/ipv4/
// tcp_timer.c). A tail loss probe comes before the retransmissions
// (tcp_schedule_loss_probe in net/ipv4/tcp_output.c). The sysctl stands for the
// time that so many retransmissions would take which begin at 200 ms, and the
// connection ends at the first timeout of its own after that, counted from its
// first retransmission.
func (s Settings) Retries2(e Estimate) (Schedule, error) {
	r := s.read()
	boundary, most := r.value(retries2), r.rtoMax()
	probed := (r.s.Sysctls[earlyRetrans] == 3 || r.s.Sysctls[earlyRetrans] == 4) && r.s.Sysctls[sack] > 0
	least := time.Duration(r.optional(rtoMin, int(modelRTO.Microseconds()))) * time.Microsecond
	if r.err == nil && e.RTO <= 0 {
		r.err = fmt.Errorf("the connection's retransmission timeout is not known")
	}
	if r.err != nil {
		return Schedule{}, r.err
	}
	r.from = append(r.from, "RTO "+e.RTO.String())
	model := ticks(modelTimeout(boundary, modelRTO, most), s.HZ)
	longest := ticks(most, s.HZ)
	rto := min(ticks(e.RTO, s.HZ), longest)
	probe := min(ticks(2*e.RTT+least, s.HZ), rto)
	return r.says(windows(s.HZ, longest, func(c *chain, event func(i, ticks int)) {
		if probed {
			c.arm(probe)
		}
		first := c.arm(rto)
		for backoff := rto; ; {
			backoff = min(2*backoff, longest)
			at := c.arm(backoff)
			// The kernel compares milliseconds, which may be one off the ticks.
			if at-first >= model-1 {
				event(end, at)
			}
			if at-first > model {
				return
			}
		}
	}))
}
