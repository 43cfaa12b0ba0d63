package verdict

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"testbed/observe"
	"testbed/scenarios/spec"
)

// Transfer is what was seen of many bytes on their way across a connection.
type Transfer struct {
	// Receive is true of a transfer from the server to the client.
	Receive bool
	// Wanted and Bytes are how many were to get across, and did: of those sent, what
	// was acknowledged.
	Wanted, Bytes int64
	// Sender is what the sender's kernel tells (TCP_INFO), nil where it was not
	// reached.
	Sender *Sender
	// Segments are the segments with data that left the sender, Resent those of them
	// that were sent again, by the packets.
	Segments, Resent int
	// Stall is the longest one, nil where nothing arrived.
	Stall *Stall
	// Omitted are how many of the step's packets the observation leaves out, because
	// there were too many: what it keeps is the beginning, the end, and what was lost.
	Omitted int
	// Lost are where those died that it leaves out.
	Lost []Lost
}

// Lost is a place and a reason for which packets died.
type Lost struct {
	Drop    observe.Drop
	Packets int
}

// Sender is a sender's account of a transfer.
type Sender struct {
	// Retransmissions are the segments that it sent again.
	Retransmissions int
	// RTT is its estimate of the round-trip time at the end, MinRTT the least that it
	// has measured.
	RTT, MinRTT time.Duration
	// WindowLimited is how long the receiver's window kept it from sending.
	WindowLimited time.Duration
}

// Stall is a time in which nothing new arrived that the receiving program could have
// read.
type Stall struct {
	Duration time.Duration
	// At is when it began, from the start of the step, and Offset how many bytes had
	// arrived then.
	At     time.Duration
	Offset int64
	// Lost is how often the segment was lost that the receiver waited for, and Drop
	// where, the first time.
	Lost int
	Drop observe.Drop
	// ZeroWindow is true where the receiver had no room.
	ZeroWindow bool
	// Ended is false where it lasted until the end of the step.
	Ended bool
}

// Throughput is how many bits of data got across in a second, 0 for no time.
func (o *Observation) Throughput() uint64 {
	if o.Transfer == nil || o.Elapsed <= 0 {
		return 0
	}
	return uint64(float64(o.Transfer.Bytes) * 8 / o.Elapsed.Seconds())
}

// Retransmissions are the segments that were sent again, by the sender's own account
// where there is one.
func (t *Transfer) Retransmissions() int {
	if t.Sender != nil {
		return t.Sender.Retransmissions
	}
	return t.Resent
}

// transfer adds the checks of a transfer.
func (j *judge) transfer() {
	t := j.o.Transfer
	if t == nil {
		t = &Transfer{}
	}
	if j.e.Bytes != nil {
		j.add(j.quantity("bytes", j.e.Bytes, uint64(t.Bytes), FormatSize))
	}
	if j.e.Throughput != nil {
		j.add(j.quantity("throughput", j.e.Throughput, j.o.Throughput(), FormatRate))
	}
	j.duration("stalled", j.e.Stalled, t.stalled(), "", func() string { return j.ended("no data was seen to arrive") })
	if j.e.Retransmissions != nil {
		j.add(j.count("retransmissions", *j.e.Retransmissions, t.Retransmissions()))
	}
	j.duration("rtt", j.e.RTT, t.rtt(), "", func() string { return j.ended("the sender's kernel was not asked") })
}

func (t *Transfer) stalled() *time.Duration {
	if t.Stall == nil {
		return nil
	}
	return &t.Stall.Duration
}

func (t *Transfer) rtt() *time.Duration {
	if t.Sender == nil {
		return nil
	}
	return &t.Sender.RTT
}

// quantity compares a number of bytes, or of bits a second.
func (j *judge) quantity(key string, want *spec.Quantity, got uint64, format func(uint64) string) Check {
	c := Check{Key: key, Expected: want.Text, Observed: format(got), OK: inBound(want.Bound, want.Value, want.Upper, got)}
	if !c.OK {
		c.Note = fmt.Sprintf("expected %s %s, observed %s", key, c.Expected, c.Observed)
		if why := j.reason(); why != "" {
			c.Note += ": " + why
		}
	}
	return c
}

// FormatRate writes bits a second as tc(8) does: 9.43mbit.
func FormatRate(bits uint64) string {
	return scaled(float64(bits), 1000, "bit", "kbit", "mbit", "gbit", "tbit")
}

// FormatSize writes a number of bytes: 1MiB, 64KiB, 1.5KiB, 17B.
func FormatSize(bytes uint64) string {
	return scaled(float64(bytes), 1024, "B", "KiB", "MiB", "GiB")
}

// scaled writes a number in the greatest unit that it has one of, with three digits
// that matter at least.
func scaled(n, step float64, units ...string) string {
	i := 0
	for n >= step && i < len(units)-1 {
		n, i = n/step, i+1
	}
	digits := 2
	switch {
	case n >= 100:
		digits = 0
	case n >= 10:
		digits = 1
	}
	s := strconv.FormatFloat(n, 'f', digits, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s + units[i]
}
