package report

import (
	"fmt"

	"testbed/agents"
	"testbed/observe"
	"testbed/scenarios/verdict"
)

// transferred tells how many bytes got across, how fast, and what held them up.
func (e *evidence) transferred() string {
	t := e.Transfer
	if t == nil || e.Outcome == agents.Failed {
		return e.failure("The transfer")
	}
	return paragraph(e.amount(t), e.sentAgain(t), e.stalled(t), e.queueing(t), e.transferEnd(t))
}

// amount says what got where, and how fast.
func (e *evidence) amount(t *verdict.Transfer) string {
	from, to := e.client, e.target
	if t.Receive {
		from, to = e.target, e.client
	}
	if e.Outcome == agents.Transferred {
		return fmt.Sprintf("%s went from %s to %s in %s, %s of data a second, in %s.", verdict.FormatSize(uint64(t.Bytes)), from, to,
			short(e.Elapsed), verdict.FormatRate(e.Throughput()), count(t.Segments, "segment"))
	}
	return fmt.Sprintf("Only %s of %s got from %s to %s.", verdict.FormatSize(uint64(t.Bytes)), verdict.FormatSize(uint64(t.Wanted)), from, to)
}

// sentAgain tells of retransmissions and of what made them necessary.
func (e *evidence) sentAgain(t *verdict.Transfer) string {
	n := t.Retransmissions()
	if n == 0 {
		return ""
	}
	data := e.sent
	if t.Receive {
		data = e.answers
	}
	return fmt.Sprintf("%s sent again%s.", capital(count(n, "segment")+was(n)), e.dataLoss(data))
}

func was(n int) string {
	if n == 1 {
		return " was"
	}
	return " were"
}

// stallWorthTelling is the share of a transfer's time from which on its longest stall
// matters.
const stallWorthTelling = 20

// stalled tells of the longest time without progress, and why there was none.
func (e *evidence) stalled(t *verdict.Transfer) string {
	s := t.Stall
	if s == nil || s.Duration < e.Elapsed/stallWorthTelling {
		return ""
	}
	text := fmt.Sprintf("The longest stall was %s, from %s on, after %s", short(s.Duration), short(s.At), count(int(s.Offset), "byte"))
	if !s.Ended {
		text += ", and lasted to the end"
	}
	switch {
	case s.Lost == 1:
		text += fmt.Sprintf(": the next segment %s", fate{n: 1, drop: s.Drop}.predicate(""))
	case s.Lost > 1:
		text += fmt.Sprintf(": the next segment was sent %s in vain, and the first time it %s", times(s.Lost), fate{n: 1, drop: s.Drop}.predicate(""))
	case s.ZeroWindow:
		text += ": the receiver's window was closed, as its program did not read"
	}
	return text + "."
}

// queueing tells how much longer than the path the round trip has become.
func (e *evidence) queueing(t *verdict.Transfer) string {
	if t.Sender == nil || t.Sender.RTT == 0 || t.Sender.MinRTT == 0 {
		return ""
	}
	text := fmt.Sprintf("In the end the sender's kernel estimated the round-trip time at %s", short(t.Sender.RTT))
	if t.Sender.RTT > 2*t.Sender.MinRTT {
		text += fmt.Sprintf(", where the least that it had measured was %s: packets wait in a queue on the way", short(t.Sender.MinRTT))
	}
	return text + "."
}

// transferEnd says what ended a transfer before it was complete.
func (e *evidence) transferEnd(t *verdict.Transfer) string {
	switch e.Outcome {
	case agents.Transferred:
		return ""
	case agents.Reset:
		return e.reset()
	case agents.Closed:
		return fmt.Sprintf("%s closed the connection with a FIN after %s.", e.target, short(e.Elapsed))
	}
	if e.Errno == "" {
		return e.waited()
	}
	return paragraph(e.waited(), seenOnOpen(e.Observation))
}

// undrawn says how many of a transfer's packets the diagram leaves out.
func undrawn(o *verdict.Observation) string {
	if o.Transfer == nil || o.Transfer.Omitted == 0 {
		return ""
	}
	return fmt.Sprintf("Not drawn: %s of the transfer. The diagram has the first and the last, and what was lost or sent again.", count(o.Transfer.Omitted, "packet"))
}

// TransferDocument is what was seen of a transfer.
type TransferDocument struct {
	// Direction is "send" or "receive", as the client sees it.
	Direction   string `json:"direction"`
	WantedBytes int64  `json:"wanted_bytes"`
	Bytes       int64  `json:"bytes"`
	// Throughput is in bits of data a second.
	Throughput      uint64 `json:"throughput_bit_s"`
	Segments        int    `json:"segments"`
	Retransmissions int    `json:"retransmissions"`
	// RTTNS is the sender's kernel's estimate in the end, MinRTTNS the least that it
	// has measured, WindowLimitedNS how long the receiver's window kept it from
	// sending. They are left out where its kernel was not reached.
	RTTNS           int64 `json:"rtt_ns,omitempty"`
	MinRTTNS        int64 `json:"min_rtt_ns,omitempty"`
	WindowLimitedNS int64 `json:"window_limited_ns,omitempty"`
	// Stall is the longest time in which nothing new arrived.
	Stall *StallDocument `json:"stall,omitempty"`
	// OmittedPackets are how many of the step's packets are not among journeys.
	OmittedPackets int `json:"omitted_packets,omitempty"`
}

// StallDocument is a time without progress.
type StallDocument struct {
	AtNS       int64 `json:"at_ns"`
	DurationNS int64 `json:"duration_ns"`
	// Offset is how many bytes had arrived.
	Offset int64 `json:"offset"`
	// Lost is how often the segment was lost that came next, and Drop where it was
	// the first time.
	Lost       int           `json:"lost,omitempty"`
	Drop       *FateDocument `json:"drop,omitempty"`
	ZeroWindow bool          `json:"zero_window,omitempty"`
	Ended      bool          `json:"ended"`
}

func transferDocument(o *verdict.Observation) *TransferDocument {
	t := o.Transfer
	if t == nil {
		return nil
	}
	d := &TransferDocument{
		Direction: "send", WantedBytes: t.Wanted, Bytes: t.Bytes, Throughput: o.Throughput(),
		Segments: t.Segments, Retransmissions: t.Retransmissions(), OmittedPackets: t.Omitted,
	}
	if t.Receive {
		d.Direction = "receive"
	}
	if s := t.Sender; s != nil {
		d.RTTNS, d.MinRTTNS, d.WindowLimitedNS = int64(s.RTT), int64(s.MinRTT), int64(s.WindowLimited)
	}
	if s := t.Stall; s != nil {
		d.Stall = &StallDocument{AtNS: int64(s.At), DurationNS: int64(s.Duration), Offset: s.Offset, Lost: s.Lost, ZeroWindow: s.ZeroWindow, Ended: s.Ended}
		if s.Lost > 0 {
			f := fateDocument(observe.Fate{Drop: s.Drop})
			d.Stall.Drop = &f
		}
	}
	return d
}
