package netem

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Fault befalls the packets of a direction that it picks, and no others. Nothing of
// it is left to chance.
type Fault struct {
	// Name identifies it in reports; unique within its direction.
	Name string
	// Pick says which packets; only IP packets, and no housekeeping of IPv6.
	Pick Pick
	Do   FaultAction
	// By is how much later a packet that is delayed, or the copy of one that is
	// duplicated, gets on its way. Zero has a copy follow at once.
	By time.Duration
	// Answer says whom a reset answers. Empty stands for ResetBoth.
	Answer ResetSide
}

// FaultAction is what a fault does with a packet.
type FaultAction string

// What faults do.
const (
	// DropPacket loses it.
	DropPacket FaultAction = "drop"
	// DelayPacket holds it back; others pass it.
	DelayPacket FaultAction = "delay"
	// DuplicatePacket sends a copy after it.
	DuplicatePacket FaultAction = "duplicate"
	// CorruptPacket flips the last bit of it, so that the checksum of TCP, UDP or
	// ICMP is wrong.
	CorruptPacket FaultAction = "corrupt"
	// ResetConnection loses it, and answers with a RST, as a middlebox does that
	// does not want the connection: to the sender as if the node at the far end
	// had sent it, and to the receiver in the packet's place (RFC 9293, section
	// 3.5.2). It needs a packet of TCP, and answers no RST. To the receiver goes none
	// in place of a SYN that begins a connection.
	ResetConnection FaultAction = "reset"
)

// FaultActions lists them.
var FaultActions = []FaultAction{DropPacket, DelayPacket, DuplicatePacket, CorruptPacket, ResetConnection}

// ResetSide is whom a reset answers, by the packet that it answers.
type ResetSide string

// The sides.
const (
	ResetBoth     ResetSide = "both"
	ResetSender   ResetSide = "sender"
	ResetReceiver ResetSide = "receiver"
)

// ResetSides lists them.
var ResetSides = []ResetSide{ResetBoth, ResetSender, ResetReceiver}

// Pick is a conjunction: a fault picks a packet that meets every field which is
// not zero.
type Pick struct {
	// Proto is tcp, udp, icmp or icmpv6.
	Proto string
	// Flags are those of FIN, SYN, RST and ACK that are set, exactly, as in the TCP
	// header's fourteenth byte.
	Flags uint8
	// Sport and Dport are ports of TCP or UDP, Payload is the bytes of data in such
	// a packet.
	Sport, Dport, Payload Range
	// After and Until bound the time since the fault began: from After on, and
	// before Until unless that is zero.
	After, Until time.Duration
	// Nth counts the packets that meet the other conditions, from 1, whatever
	// other faults do with them.
	Nth Range
}

// Range is an inclusive range of numbers. The zero value is no condition.
type Range struct {
	Limited  bool
	Min, Max int
}

// Holds tells whether a number is in the range.
func (r Range) Holds(n int) bool { return !r.Limited || r.Min <= n && n <= r.Max }

// Faults are those of one direction, in order: of those that pick a packet the
// first one befalls it. They must not be changed once an Impairment has them.
// Impairments are equal if they share their Faults; a medium begins to count and to
// measure time when it is given Faults that it did not have before.
type Faults []Fault

// Any tells whether one of the faults does something.
func (f *Faults) Any(do FaultAction) bool {
	return f != nil && slices.ContainsFunc(*f, func(x Fault) bool { return x.Do == do })
}

// Strike is a frame that a fault other than DropPacket befell.
type Strike struct {
	// Link and To name the direction, as in Drop.
	Link int
	To   Side
	// Time is when the medium decided, on the kernel's CLOCK_REALTIME.
	Time  time.Time
	Fault Fault
	// Frame holds the first bytes of the Ethernet frame as it came in, Length is
	// the whole frame's length.
	Frame  []byte
	Length int
	// Answers are the frames that a reset sends.
	Answers []Answer
}

// Answer is a whole Ethernet frame that a link makes, on its way to a side.
type Answer struct {
	To    Side
	Frame []byte
}

func (f *Faults) validate() error {
	if f == nil {
		return nil
	}
	var errs []error
	for i := range *f {
		if err := (*f)[i].validate(); err != nil {
			errs = append(errs, fmt.Errorf("fault %s: %w", (*f)[i].Name, err))
		}
	}
	return errors.Join(errs...)
}

func (f *Fault) validate() error {
	var errs []error
	if !slices.Contains(FaultActions, f.Do) {
		errs = append(errs, fmt.Errorf("%q is no action", f.Do))
	}
	if f.By < 0 || f.By > 0 && f.Do != DelayPacket && f.Do != DuplicatePacket {
		errs = append(errs, fmt.Errorf("%s by %v", f.Do, f.By))
	}
	if f.Answer != "" && (f.Do != ResetConnection || !slices.Contains(ResetSides, f.Answer)) {
		errs = append(errs, fmt.Errorf("%s answers %q", f.Do, f.Answer))
	}
	if p := f.Pick; p.After < 0 || p.Until < 0 || p.Until > 0 && p.Until <= p.After {
		errs = append(errs, fmt.Errorf("from %v until %v", p.After, p.Until))
	}
	return errors.Join(errs...)
}

// Loses tells whether no packet that the fault picks arrives.
func (f *Fault) Loses() bool { return f.Do == DropPacket || f.Do == ResetConnection }
