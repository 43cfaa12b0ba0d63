// Package netem is the vocabulary of emulated links: what a link does to the
// frames that cross it, who carries them, and what became of them. It makes no
// system call; the media that do are its sub-packages.
package netem

import "time"

// Impairment is what one direction of a link does to the frames that cross it.
// The zero value carries every frame at once and unharmed. Impairments are
// comparable with ==; of faults that tells whether they are the same ones.
type Impairment struct {
	// Delay is how long a frame is on its way.
	Delay time.Duration
	// Jitter is the spread around Delay; what it means, Distribution says. Frames
	// keep their order, so a frame that draws a short delay waits for the one
	// before it, and no frame takes less than nothing.
	Jitter time.Duration
	// Distribution is how the delays are spread. Empty stands for Uniform.
	Distribution Distribution
	// JitterCorrelation, 0 to 1, is how much a frame's jitter depends on that of
	// the one before: the correlation of their normal scores, which leaves the
	// distribution as it is.
	JitterCorrelation float64
	// Loss is the probability, 0 to 1, that a frame is lost.
	Loss float64
	// LossCorrelation, 0 to less than 1, is the correlation of a frame's loss with
	// that of the one before. Loss remains the share of frames that are lost.
	LossCorrelation float64
	// Bursts loses frames in bursts, in place of Loss.
	Bursts GilbertElliott
	// Duplicate is the probability, 0 to 1, that a frame arrives twice.
	Duplicate float64
	// Reorder is the probability, 0 to 1, that a frame overtakes those on their
	// way: it is delivered at once. It needs a Delay to overtake within.
	Reorder float64
	// Corrupt is the probability, 0 to 1, that one bit of a frame's network-layer
	// packet is flipped. Of a frame that is duplicated, one copy is.
	Corrupt float64
	// Rate is how many bits of Ethernet frames cross in a second: header and
	// payload, without preamble and check sequence. A frame that is not lost takes
	// its turn, and its delay begins when its last bit has been sent. Zero means no
	// limit.
	Rate uint64
	// Queue bounds what waits for its turn at Rate, the frame that is being sent not
	// counted; a frame that finds it full is dropped. It needs a Rate.
	Queue Queue
	// MTU is the largest network-layer packet, in bytes, that this direction
	// carries; a larger one vanishes without an ICMP error. Zero means no limit
	// beyond that of the interfaces.
	MTU int
	// Down says that the direction carries nothing.
	Down bool
	// Faults befall single packets; nil for none. What is down or too big meets
	// none, and one that is delayed, duplicated or corrupted may be lost as well.
	Faults *Faults
}

// Distribution is how delays are spread around their mean, by the names of
// tc-netem(8).
type Distribution string

// Uniform delays lie between Delay-Jitter and Delay+Jitter. Of the others
// Jitter is about the standard deviation; Pareto and ParetoNormal have a long tail
// of late frames. Quantile says it exactly.
const (
	Uniform      Distribution = "uniform"
	Normal       Distribution = "normal"
	Pareto       Distribution = "pareto"
	ParetoNormal Distribution = "paretonormal"
)

// GilbertElliott is a loss model of two states, good and bad (tc-netem(8), "loss
// gemodel"). It begins in the good one; a frame is lost or not by the state that
// it finds, and may then change it. The zero value loses nothing.
type GilbertElliott struct {
	// ToBad and ToGood are the probabilities, 0 to 1, that a frame changes the
	// state.
	ToBad, ToGood float64
	// LossBad and LossGood are the probabilities, 0 to 1, that a frame is lost in
	// either state.
	LossBad, LossGood float64
}

// Queue is the length of a queue, in frames or in bytes of frames, whichever is
// reached first. Zero means no bound.
type Queue struct{ Frames, Bytes int }

// Cause is why a frame did not come out of a link.
type Cause string

// The causes for which a link drops a frame.
const (
	Lost     Cause = "loss"
	TooBig   Cause = "mtu"
	LinkDown Cause = "link-down"
	Overflow Cause = "queue-full"
	// Faulted is a frame that a fault dropped; Drop.Fault names it.
	Faulted Cause = "fault"
	// Refused is a frame that the kernel would not hand over or take back.
	Refused Cause = "refused"
	// Closed is a frame that was on its way when the medium closed.
	Closed Cause = "closed"
)

// Side names one of the two ends of a link: 0 is the end at Link.Ends[0].
type Side int

// Other is the opposite side.
func (s Side) Other() Side { return 1 - s }

// End is a link's inner end: the interface in the ether whose veth peer is in a
// node.
type End struct {
	// Interface is the inner end's name, Index its ifindex in the ether.
	Interface string
	Index     int
	// Node is the name of the node at the other end of the veth pair.
	Node string
}

// Link is what a Medium is asked to carry.
type Link struct {
	// ID is the link's index in its topology.
	ID int
	// Ends are the link's two inner ends.
	Ends [2]End
	// Toward says what happens to frames on their way to Ends[side].
	Toward [2]Impairment
}

// Drop is a frame that a medium took in and did not deliver.
type Drop struct {
	// Link and To name the direction: the link's ID, and the side that the
	// frame was on its way to.
	Link int
	To   Side
	// Time is when the medium decided, on the kernel's CLOCK_REALTIME.
	Time  time.Time
	Cause Cause
	// Fault is the name of the fault when Cause is Faulted.
	Fault string
	// Frame holds the first bytes of the Ethernet frame, enough for the
	// network and transport headers. Length is the whole frame's length.
	Frame  []byte
	Length int
}

// Counters of one direction of a link, in frames; those that its faults make count
// as In. In = Delivered + Dropped +
// those still on their way - Duplicated.
type Counters struct {
	In, Delivered, Dropped, Duplicated uint64
	// Overflowed are those of the dropped frames that found the queue full.
	Overflowed uint64
	// Corrupted are the frames of which a bit was flipped, Reordered those that
	// were sent ahead of others, or would have been had there been others. A frame
	// is counted when it is decided, and again where it counts above: as Delivered,
	// or as Dropped should its link go down meanwhile.
	Corrupted, Reordered uint64
}

// Medium carries links. It works in the ether namespace alone. An impairment that
// it can't bring about it refuses with an error that wraps errors.ErrUnsupported.
type Medium interface {
	// Carry begins to carry a link. The segment ends when the medium closes.
	Carry(Link) (Segment, error)
	// Close stops carrying every link, drops what is on its way and waits until
	// nothing more is delivered.
	Close() error
}

// Segment is a link that a medium carries. Its methods are safe for concurrent
// use.
type Segment interface {
	// Set changes what happens to frames on their way to a side. It applies to
	// frames that enter from now on; those on their way keep their due time.
	Set(to Side, i Impairment) error
	// Counters tells what has crossed on the way to a side so far.
	Counters(to Side) Counters
}
