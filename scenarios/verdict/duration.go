package verdict

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"testbed/agents"
	"testbed/observe"
	"testbed/scenarios/spec"
)

// DefaultTolerance is how far an observed duration may be from the expected
// one, in either direction, when the step names no tolerance: 2% of the
// expected value plus 5 ms.
func DefaultTolerance(want time.Duration) time.Duration {
	return want.Abs()/50 + 5*time.Millisecond
}

// VirtualTolerance is that of a step on the virtual clock which names none. Only
// what the nodes compute takes time there beyond what is emulated.
const VirtualTolerance = time.Millisecond

// FormatDuration writes a duration for people: 812µs, 1.25ms, 200.4ms, 7.132s,
// 133.3s, 1h2m3s. Digits beyond those that matter are rounded away, as are
// trailing zeros.
func FormatDuration(d time.Duration) string {
	abs := d.Abs()
	switch {
	case abs == 0:
		return "0s"
	case abs < time.Microsecond:
		return decimal(d, time.Nanosecond, 0) + "ns"
	case abs < 10*time.Microsecond:
		return decimal(d, time.Microsecond, 1) + "µs"
	case abs < time.Millisecond-500*time.Nanosecond:
		return decimal(d, time.Microsecond, 0) + "µs"
	case abs < 10*time.Millisecond:
		return decimal(d, time.Millisecond, 2) + "ms"
	case abs < time.Second-50*time.Microsecond:
		return decimal(d, time.Millisecond, 1) + "ms"
	case abs < 10*time.Second:
		return decimal(d, time.Second, 3) + "s"
	case abs < 100*time.Second:
		return decimal(d, time.Second, 2) + "s"
	case abs < 10*time.Minute:
		return decimal(d, time.Second, 1) + "s"
	}
	return d.Round(time.Second).String()
}

func decimal(d, unit time.Duration, digits int) string {
	s := strconv.FormatFloat(float64(d)/float64(unit), 'f', digits, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// times adds the checks of how long the step and its parts took.
func (j *judge) times() {
	connected := func(what string) string { return j.ended(what + " was not reached") }
	j.duration("connect_time", j.e.ConnectTime, j.o.ConnectTime, "", func() string {
		return j.ended("the client's connection was not established")
	})
	j.duration("accept_time", j.e.AcceptTime, j.o.AcceptTime, j.o.AcceptSource, func() string {
		if j.o.Outcome == agents.Connected {
			return "the server's socket was not seen to become ESTABLISHED"
		}
		return j.ended("the server's socket did not become ESTABLISHED")
	})
	j.duration("elapsed", j.e.Elapsed, &j.o.Elapsed, "", nil)
	j.duration("time_wait", j.e.TimeWait, lasted(j.o.TimeWait), "", j.notWatched(observe.TimeWait))
	j.duration("fin_wait_2", j.e.FinWait2, lasted(j.o.FinWait2), "", j.notWatched(observe.FinWait2))
	j.duration("tls_time", j.e.TLSTime, j.o.TLSTime, "", func() string {
		return connected("the end of the TLS handshake")
	})
	j.duration("first_byte_time", j.e.FirstByteTime, j.o.FirstByteTime, "", func() string {
		return connected("the first byte of an answer")
	})
}

// duration adds one check of a time; missing says why there is none.
func (j *judge) duration(key string, want *spec.Duration, got *time.Duration, from observe.Source, missing func() string) {
	if want == nil {
		return
	}
	c := Check{Key: key, Expected: want.Text, Observed: "none"}
	low, err := j.span(key, want.Term)
	high := low
	if err == nil && want.Bound == spec.Within {
		high, err = j.span(key, want.Upper)
	}
	if err != nil {
		c.Note = err.Error()
		if got != nil {
			c.Observed = FormatDuration(*got)
		}
		j.add(c)
		return
	}
	c.Expected, c.From = j.expected(want, low, high), low.from
	if c.From == "" {
		c.From = high.from
	}
	least, most := low.Low, high.High
	if want.Bound == spec.About {
		tolerance := j.tolerance(low.base())
		c.Tolerance = "±" + FormatDuration(tolerance)
		least, most = least-tolerance, most+tolerance
	}
	if got == nil {
		c.Note = missing()
		j.add(c)
		return
	}
	c.Observed = FormatDuration(*got)
	c.OK = meets(want.Bound, *got, least, most)
	if !c.OK {
		c.Note = off(c, *got, low.Low, high.High)
	} else if from != "" {
		c.Note = sourceNote(from)
	}
	j.add(c)
}

// meets compares with a bound's limits; those of About and Within are both
// included. A bound from above is held against the most that it can mean, one from
// below against the least.
func meets(b spec.Bound, got, least, most time.Duration) bool {
	switch b {
	case spec.AtMost:
		return got <= most
	case spec.Below:
		return got < most
	case spec.AtLeast:
		return got >= least
	case spec.Above:
		return got > least
	}
	return least <= got && got <= most
}

// off is the sentence of a violated duration: expected, tolerance, observed,
// and by how much it is off what was named.
func off(c Check, got, low, high time.Duration) string {
	by := got - low
	if by > 0 {
		by = max(got-high, 0)
	}
	return fmt.Sprintf("expected %s%s, observed %s: %s",
		c.Expected, prefixed(" ", c.Tolerance), c.Observed, lateness(by))
}

func lateness(by time.Duration) string {
	switch {
	case by > 0:
		return "late by " + FormatDuration(by)
	case by < 0:
		return "early by " + FormatDuration(-by)
	}
	return "exactly the bound, which is not included"
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

func sourceNote(s observe.Source) string {
	switch s {
	case observe.FromTracepoint:
		return "from the kernel's tracepoint"
	case observe.FromPackets:
		return "derived from the packets"
	case observe.FromAgent:
		return "by the agent's own clock"
	case observe.FromCounters:
		return "by the rule's counter"
	}
	return "from " + string(s)
}

func (j *judge) tolerance(want time.Duration) time.Duration {
	if j.e.Tolerance != nil {
		return *j.e.Tolerance
	}
	if j.o.Clock == Virtual {
		return VirtualTolerance
	}
	return DefaultTolerance(want)
}

// resolve turns a term into nanoseconds along the step's path.
func (j *judge) resolve(t spec.Term) (time.Duration, error) {
	unit := time.Nanosecond
	switch t.Unit {
	case spec.OWD:
		unit = j.o.Path.OWD()
	case spec.RTT:
		unit = j.o.Path.RTT()
	}
	if t.Unit != spec.Nanoseconds && len(j.o.Path.Nodes) == 0 {
		return 0, fmt.Errorf("%s has no value: no path from %s to the step's target is known", t.Unit, j.o.From)
	}
	return time.Duration(math.Round(t.Value * float64(unit))), nil
}

// expected writes what is expected, and what it comes to where that is not
// plain: "2 owd = 200ms".
func (j *judge) expected(want *spec.Duration, low, high span) string {
	prefix, value := "", low.String()
	derived := low.derived
	switch want.Bound {
	case spec.About:
	case spec.Within:
		value = FormatDuration(low.Low) + ".." + FormatDuration(high.High)
		derived = derived || high.derived
	default:
		prefix = string(want.Bound) + " "
	}
	switch {
	case want.Text == "":
		return prefix + value
	case derived:
		return want.Text + " = " + value
	}
	return want.Text
}
