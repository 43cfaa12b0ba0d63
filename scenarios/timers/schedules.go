package timers

import "time"

// SYN is a connection attempt that nothing answers: Sent are the SYNs, End is
// ETIMEDOUT, both from the first SYN (tcp_retransmit_timer and tcp_write_timeout
// in net/ipv4/tcp_timer.c). Linear timeouts come on top of the retries, until the
// attempt has taken as long as the retries alone would.
func (s Settings) SYN() (Schedule, error) {
	r := s.read()
	retries, linear := r.value(synRetries), r.optional(synLinear, 0)
	most := r.rtoMax()
	if r.err != nil {
		return Schedule{}, r.err
	}
	model := ticks(modelTimeout(retries, initialRTO, most), s.HZ)
	first, longest := ticks(initialRTO, s.HZ), ticks(most, s.HZ)
	return r.says(windows(s.HZ, min(first<<min(retries, 20), longest), func(c *chain, event func(i, ticks int)) {
		event(0, 0)
		rto := min(first, longest)
		for sent := 1; ; sent++ {
			at := c.arm(rto)
			if sent > retries+linear || at > model {
				event(end, at)
				return
			}
			event(sent, at)
			if sent > linear {
				rto = min(2*rto, longest)
			}
		}
	}))
}

// SYNACK is a connection request whose SYN-ACK nothing answers: Sent are the
// SYN-ACKs, End is when the server forgets the request, both from the first
// SYN-ACK (reqsk_timer_handler in net/ipv4/inet_connection_sock.c). It holds while
// the listener's queue is less than half full.
func (s Settings) SYNACK() (Schedule, error) {
	r := s.read()
	retries := r.value(synackRetries)
	if r.err != nil {
		return Schedule{}, r.err
	}
	first, longest := ticks(initialRTO, s.HZ), ticks(defaultRTOMax, s.HZ)
	interval := func(n int) int { return min(first<<min(n, 20), longest) }
	return r.says(windows(s.HZ, interval(retries), func(c *chain, event func(i, ticks int)) {
		event(0, 0)
		for sent := 1; sent <= retries; sent++ {
			event(sent, c.arm(interval(sent-1)))
		}
		event(end, c.arm(interval(retries)))
	}))
}

// Keepalive is a connection with SO_KEEPALIVE on which nothing arrives any more and
// nothing waits to be acknowledged: Sent are the probes, End is ETIMEDOUT, both
// from the last segment that arrived (tcp_keepalive_timer in net/ipv4/tcp_timer.c).
// The first probe's timer may have been armed at an earlier segment.
func (s Settings) Keepalive() (Schedule, error) {
	r := s.read()
	idle, interval, probes := r.value(keepaliveTime), r.value(keepaliveInterval), r.value(keepaliveProbes)
	if r.err != nil {
		return Schedule{}, r.err
	}
	first := windows(s.HZ, idle*s.HZ, func(c *chain, event func(i, ticks int)) { event(end, c.arm(idle*s.HZ)) })
	rest := windows(s.HZ, interval*s.HZ, func(c *chain, event func(i, ticks int)) {
		at := 0
		for sent := range probes {
			event(sent, at)
			at = c.arm(interval * s.HZ)
		}
		event(end, at)
	})
	all := Schedule{End: first.End.plus(rest.End)}
	for _, w := range rest.Sent {
		all.Sent = append(all.Sent, first.End.plus(w))
	}
	return r.says(all)
}

// FinWait2 is an orphan whose peer has acknowledged its FIN and never sends its
// own: End is when the kernel forgets it, from that ACK. A timeout beyond a minute
// is passed in two parts, each of what goes beyond (tcp_rcv_state_process in
// net/ipv4/tcp_input.c, tcp_keepalive_timer, tcp_time_wait in
// net/ipv4/tcp_minisocks.c). RTO is the connection's; it matters where the sysctl
// is less than 3.5 times as long.
func (s Settings) FinWait2(rto time.Duration) (Schedule, error) {
	r := s.read()
	least := 7 * ticks(rto, s.HZ) / 2
	timeout := max(r.value(finTimeout)*s.HZ, least)
	if r.err != nil {
		return Schedule{}, r.err
	}
	rest := timeout - ticks(timeWaitLen, s.HZ)
	return r.says(windows(s.HZ, timeout, func(c *chain, event func(i, ticks int)) {
		if rest > 0 {
			c.arm(rest)
			event(end, c.arm(max(rest, least)))
			return
		}
		event(end, c.arm(timeout))
	}))
}

// TimeWait is a connection in TIME-WAIT: End is when the kernel forgets it, from
// the other end's FIN (TCP_TIMEWAIT_LEN in include/net/tcp.h; no sysctl changes
// it).
func (s Settings) TimeWait() (Schedule, error) {
	r := s.read()
	if r.err != nil {
		return Schedule{}, r.err
	}
	r.from = []string{"TCP_TIMEWAIT_LEN 60s"}
	length := ticks(timeWaitLen, s.HZ)
	return r.says(windows(s.HZ, length, func(c *chain, event func(i, ticks int)) { event(end, c.arm(length)) }))
}
