package spec

import (
	"regexp"
	"time"

	"testbed/agents"
	"testbed/observe"
	"testbed/topo"
)

// Expect is what a step must observe. A nil or empty field expects nothing.
type Expect struct {
	// Line is where it begins in the file.
	Line          int
	Outcome       agents.Outcome
	Error         string
	ConnectTime   *Duration
	AcceptTime    *Duration
	Elapsed       *Duration
	TLSTime       *Duration
	FirstByteTime *Duration
	// Open, Closed and Filtered are a scan's ports, in the order of the file; nil
	// expects nothing, an empty one that there are none.
	Open, Closed, Filtered []uint16
	// Sent is how many SYNs a flood sent, Arrived how many of them reached the target
	// and Answered for how many it sent a SYN-ACK; Counters are how much the target's
	// counters of the kernel grew.
	Sent, Arrived, Answered *Count
	Counters                map[string]Count
	// Bytes, Throughput, Stalled, Retransmissions and RTT are those of a transfer.
	Bytes, Throughput *Quantity
	Stalled, RTT      *Duration
	Retransmissions   *Count
	// TimeWait and FinWait2 are how long the end that closed was in these states.
	TimeWait, FinWait2 *Duration
	// Tolerance replaces the default of 2% plus 5 ms.
	Tolerance *time.Duration
	// Handshake are flag names such as SYN-ACK. RST and FIN also stand for
	// RST-ACK and FIN-ACK.
	Handshake []string
	// Segments are those of the step, in connect and http those of the handshake.
	Segments   []Segment
	Negotiated *Negotiated
	// ResetBy is the node, or ResetByLink the nodes of the link, that sent the RST
	// which ended the connection.
	ResetBy     string
	ResetByLink *[2]string
	// Packets maps syn, syn_ack, ack, rst and fin to counts.
	Packets map[string]Count
	// SynTimes and SynAckTimes are from the first; one Term of the unit
	// KernelSchedule stands for the kernel's own times.
	SynTimes, SynAckTimes []Term

	States   *States
	SeenFrom string
	Dropped  *Dropped
	// Rewritten is what a node must have changed.
	Rewritten *Rewritten
	Status    *Count
	Exit      *Count
	Stdout    *Text
	Stderr    *Text
	// TLSVersion and Resumed are what a TLS handshake agrees on.
	TLSVersion string
	Resumed    *bool
	// Answer is what an exchange reads.
	Answer *Text

	ResolveTime *Duration
	// Queries are how many questions of each type were asked.
	Queries map[topo.RecordType]Count
	// ConnectedTo is a node's name or an address.
	ConnectedTo string
	// Attempts are all of them, in order.
	Attempts []AttemptExpect
	// Outcomes are the shares of outcomes over all repetitions. P50, P95 and Max are
	// the time that so many percent of the repetitions do not exceed.
	Outcomes      []OutcomeShare
	P50, P95, Max []TimeOfAll
	// Kernels are expected in addition; On chooses among them.
	Kernels []KernelExpect
}

// OutcomeShare is how many of the repetitions end so.
type OutcomeShare struct {
	Outcome agents.Outcome
	Share   Share
}

// Share is an expected part of all, from 0 to 1. About means exactly.
type Share struct {
	Bound        Bound
	Value, Upper float64
	Text         string
}

// TimeOfAll is what is expected of one of a step's times over all repetitions. Key
// is that of the time, such as connect_time.
type TimeOfAll struct {
	Key      string
	Duration Duration
}

// Unit is what a Term's value is counted in.
type Unit string

// The units.
const (
	// Nanoseconds are absolute.
	Nanoseconds Unit = ""
	// OWD is the one-way delay configured from the step's node to its target.
	OWD Unit = "owd"
	// RTT is that there and back.
	RTT Unit = "rtt"
)

// Units that are a timeout of the kernel's, worked out from the sysctls of the
// node that it belongs to. Their Term has the value 1.
const (
	// SynTimeout is how long connect(2) waits for an answer.
	SynTimeout Unit = "syn_timeout"
	// KeepaliveTimeout is how long an idle connection lasts whose probes nothing
	// answers.
	KeepaliveTimeout Unit = "keepalive_timeout"
	// Retries2Timeout is how long data is sent that nothing acknowledges.
	Retries2Timeout Unit = "retries2_timeout"
	// TimeWaitTimeout is how long TIME-WAIT lasts.
	TimeWaitTimeout Unit = "time_wait_timeout"
	// FinTimeout is how long FIN-WAIT-2 lasts without a program that holds the
	// socket.
	FinTimeout Unit = "fin_timeout"
	// KernelSchedule are the times at which the kernel sends a segment again.
	KernelSchedule Unit = "schedule"
)

// Term is one duration: a number of nanoseconds, or a multiple of the path's
// delay.
type Term struct {
	Value float64
	Unit  Unit
	// Text is as written.
	Text string
}

// Bound is how an observed value is compared.
type Bound string

// The bounds.
const (
	// About is met within a tolerance.
	About  Bound = ""
	AtMost Bound = "<="
	Below  Bound = "<"
	// AtLeast and Above are the lower bounds.
	AtLeast Bound = ">="
	Above   Bound = ">"
	// Within is met between two terms, both included.
	Within Bound = ".."
)

// Duration is an expected duration.
type Duration struct {
	Bound Bound
	Term  Term
	// Upper is the second term of Within.
	Upper Term
	// Text is as written.
	Text string
}

// Count is an expected number. About means exactly.
type Count struct {
	Bound        Bound
	Value, Upper int
	Text         string
}

// AttemptExpect is what is expected of one of several attempts. A nil or empty field
// expects nothing.
type AttemptExpect struct {
	// To is a node's name or an address.
	To          string
	Family      Family
	Outcome     agents.Outcome
	At, Elapsed *Duration
}

// States are the TCP states that each end entered, in order. Nil expects
// nothing.
type States struct {
	Client, Server []observe.State
}

// Dropped is where packets of the step were dropped. Empty fields expect
// nothing.
type Dropped struct {
	// Node is a node's name; Link the names of a link's two nodes.
	Node  string
	Link  *[2]string
	Rule  string
	Fault string
	Cause observe.Cause
}

// Rewritten is a change that a node made to packets of the step. Empty fields
// but Field expect nothing.
type Rewritten struct {
	Node  string
	Field observe.Field
	// From and To are the field's values as of observe.Rewrite.
	From, To string
}

// Text is an expected output: equal after trimming white space, or matching.
type Text struct {
	Equal string
	// Match is not nil for a /regular expression/.
	Match *regexp.Regexp
	// Source is as written.
	Source string
}
