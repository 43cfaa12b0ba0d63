package verdict

import (
	"fmt"
	"time"

	"testbed/observe"
	"testbed/scenarios/spec"
	"testbed/scenarios/timers"
)

// span is when something is expected: a moment, or the window of a timer.
type span struct {
	timers.Window
	// derived is true where what was written is not itself the time.
	derived bool
	// from says what a window was computed from.
	from string
}

// base is what a relative tolerance is reckoned from: nothing for a window, which
// holds everything that may come in between.
func (s span) base() time.Duration {
	if s.from != "" {
		return 0
	}
	return s.Low
}

func (s span) String() string {
	if s.Low == s.High {
		return FormatDuration(s.Low)
	}
	return FormatDuration(s.Low) + ".." + FormatDuration(s.High)
}

// span is when a key's time is expected by a term.
func (j *judge) span(key string, t spec.Term) (span, error) {
	if t.Unit.IsTimeout() {
		return j.timeout(key, t.Unit)
	}
	d, err := j.resolve(t)
	return span{Window: timers.Window{Low: d, High: d}, derived: t.Unit != spec.Nanoseconds}, err
}

// timeout is the window of a timeout of the kernel's. What it begins with may have
// come before what the key's time begins with, or after.
func (j *judge) timeout(key string, u spec.Unit) (span, error) {
	schedule, node, err := j.schedule(u)
	if err != nil {
		return span{}, fmt.Errorf("%s has no value: %w", u, err)
	}
	s := span{Window: schedule.End, derived: true}
	since := ""
	switch key {
	case "time_wait", "fin_wait_2":
		s.High += j.o.Resolution
	case "elapsed", "connect_time":
		if began, what := j.began(key, u); !began.IsZero() {
			by := began.Sub(j.o.Began)
			s.Window = s.Shift(by)
			since = sinceText(what, by)
		}
	}
	s.from = fmt.Sprintf("%s's %s%s", node, schedule.From, since)
	return s, nil
}

// sinceText says what a timeout began with, where that was not about when the step
// did.
func sinceText(what string, by time.Duration) string {
	const about = 2 * time.Millisecond
	switch {
	case by < -about:
		return fmt.Sprintf("; it began with %s, %s before the step", what, FormatDuration(-by))
	case by > about:
		return fmt.Sprintf("; it began with %s, %s into the step", what, FormatDuration(by))
	}
	return ""
}

// givesUp tells whether e can only be met once the kernel has given an attempt up.
func givesUp(e *spec.Expect) bool {
	for _, d := range []*spec.Duration{e.Elapsed, e.ConnectTime} {
		if d != nil && d.Bound == spec.About && d.Term.Unit == spec.SynTimeout {
			return true
		}
	}
	return len(e.SynTimes) > 0 && e.SynTimes[0].Unit == spec.KernelSchedule
}

// schedule works a timeout out, for the node whose timer it is.
func (j *judge) schedule(u spec.Unit) (s timers.Schedule, node string, err error) {
	client, server := j.o.ClientTimers, j.o.ServerTimers
	settings, node := client, j.o.From
	if j.atServer(u) {
		settings, node = server, j.o.Target
	}
	if settings == nil {
		return s, node, fmt.Errorf("the settings of its node are not known")
	}
	switch u {
	case spec.SynTimeout:
		s, err = settings.SYN()
	case spec.KeepaliveTimeout:
		s, err = settings.Keepalive()
	case spec.Retries2Timeout:
		s, err = settings.Retries2(j.o.Estimate)
	case spec.TimeWaitTimeout:
		s, err = settings.TimeWait()
	case spec.FinTimeout:
		s, err = settings.FinWait2(j.o.Estimate.RTO)
	}
	return s, node, err
}

// atServer tells whether a timeout is the server's: of states, that of the end
// that was in them.
func (j *judge) atServer(u spec.Unit) bool {
	switch u {
	case spec.TimeWaitTimeout:
		return j.o.TimeWait != nil && j.o.TimeWait.Server
	case spec.FinTimeout:
		return j.o.FinWait2 != nil && j.o.FinWait2.Server
	}
	return false
}

// began is when the timer of a timeout began to run, zero if it is not known, and
// what it began with.
func (j *judge) began(key string, u spec.Unit) (time.Time, string) {
	switch u {
	case spec.SynTimeout:
		if j.o.ConnectSource == observe.FromPackets && key == "connect_time" {
			break // that time begins with the SYN itself
		}
		for i := range j.o.Journeys {
			if jo := &j.o.Journeys[i]; j.fromClient(jo) {
				return jo.SentAt(), "the first SYN"
			}
		}
	case spec.KeepaliveTimeout:
		at, _ := j.heard()
		return at, "the last segment that the client received"
	case spec.Retries2Timeout:
		return j.firstUnanswered(), "the first transmission"
	}
	return time.Time{}, ""
}

// heard is when the last segment arrived at the client, and the highest
// acknowledgement that did.
func (j *judge) heard() (last time.Time, ack *uint32) {
	for _, list := range [][]observe.Journey{j.o.Earlier, j.o.Journeys} {
		for i := range list {
			s := list[i].Last()
			t := s.Packet.TCP
			if t == nil || s.Sent || !list[i].Fate.Delivered || s.Packet.Dst != j.o.Local.Addr() || t.DstPort != j.o.Local.Port() {
				continue
			}
			if s.Time.After(last) {
				last = s.Time
			}
			if ack == nil || int32(t.Ack-*ack) > 0 {
				ack = &t.Ack
			}
		}
	}
	return last, ack
}

// firstUnanswered is when the client first sent data that nothing has
// acknowledged.
func (j *judge) firstUnanswered() time.Time {
	_, ack := j.heard()
	for _, list := range [][]observe.Journey{j.o.Earlier, j.o.Journeys} {
		for i := range list {
			t := list[i].Packet().TCP
			if j.fromClient(&list[i]) && t.Payload > 0 && (ack == nil || int32(t.Seq+uint32(t.Payload)-*ack) > 0) {
				return list[i].SentAt()
			}
		}
	}
	return time.Time{}
}

// fromClient tells whether the client's socket sent a packet.
func (j *judge) fromClient(jo *observe.Journey) bool {
	p := jo.Packet()
	return p.TCP != nil && p.Src == j.o.Local.Addr() && p.TCP.SrcPort == j.o.Local.Port()
}

func lasted(l *Lasted) *time.Duration {
	if l == nil {
		return nil
	}
	return &l.Duration
}

// notWatched says why it is not known how long a state lasted.
func (j *judge) notWatched(s observe.State) func() string {
	return func() string {
		return j.ended(fmt.Sprintf("no end was seen to leave %s: until: {client: CLOSED} watches it", s))
	}
}
