// Package spec decodes scenario files into plain, validated data. It makes no
// system call and touches no network.
package spec

import (
	"net/netip"
	"regexp"
	"slices"
	"time"

	"testbed/agents"
	"testbed/netem"
	"testbed/observe"
	"testbed/topo"
)

// Scenario is a validated scenario: a network, what happens on it, and what
// must be observed.
type Scenario struct {
	// File is the path it was read from, as given.
	File string
	// Source is the file's text; DecodeFile keeps it.
	Source  []byte
	Name    string
	Summary string
	Tags    []string
	// Clock is empty where the file names none.
	Clock Clock
	// Kernels are those that it is for, nil for all.
	Kernels  *Kernels
	Topology topo.Topology
	Steps    []Step
	// Repeat is how many times it is run; 0 is once.
	Repeat int
	// Cells are a scenario for each combination of the values of its matrix; nil
	// without one. The scenario itself is then like the first of them. Cell are the
	// values of a scenario that is a cell.
	Cells []*Scenario
	Cell  []Assignment
	// Number is the cell's place among all of its file, from 0.
	Number int
	// Mutations are changes of the network of which each must turn the scenario red;
	// see Mutated.
	Mutations []Set
	// Mutation is the number of the one that this scenario begins with, from 1; 0 for
	// none.
	Mutation int
}

// Clock is what a scenario's time passes by.
type Clock string

// The clocks.
const (
	// HostClock is the host's: a second takes a second.
	HostClock Clock = "host"
	// VirtualClock is that of a guest, which jumps over idle time.
	VirtualClock Clock = "virtual"
)

// Step is one action. Exactly one of its actions is not nil.
type Step struct {
	// Line is where the step begins in its file, counted from 1.
	Line     int
	Connect  *Connect
	HTTP     *HTTP
	Exec     *Exec
	Wait     *Wait
	Close    *Close
	Exchange *Exchange
	Transfer *Transfer
	Await    *Await
	Scan     *Scan
	Flood    *Flood
	Set      *Set
	Parallel *Parallel
	// Repeat is how many times it is performed, one after the other; 0 is once.
	Repeat int
	// Expect is nil when the step must only succeed.
	Expect *Expect
}

// Flat are steps with those that a parallel step is of in its place.
func Flat(steps []Step) (all []*Step) {
	for i := range steps {
		if p := steps[i].Parallel; p != nil {
			all = append(all, Flat(p.Steps)...)
		} else {
			all = append(all, &steps[i])
		}
	}
	return all
}

// HasBackground tells whether something of the step goes on after it.
func (s *Step) HasBackground() bool {
	if s.Parallel != nil {
		return slices.ContainsFunc(s.Parallel.Steps, func(n Step) bool { return n.HasBackground() })
	}
	return s.Flood != nil && s.Flood.Background
}

// Family is the address family that a step uses.
type Family string

// The families.
const (
	IPv4 Family = "ipv4"
	IPv6 Family = "ipv6"
	// AnyFamily tries every address, IPv6 before IPv4, one after the other, and
	// HappyEyeballs several at once (RFC 8305).
	AnyFamily     Family = "any"
	HappyEyeballs Family = "happy-eyeballs"
)

// Eyeballs are the delays of Happy Eyeballs (RFC 8305, section 8).
type Eyeballs struct {
	// AttemptDelay is how long an attempt has before the next one begins beside it;
	// zero means 250 ms.
	AttemptDelay time.Duration
	// ResolutionDelay is how long IPv4's addresses wait for IPv6's; nil means 50 ms.
	ResolutionDelay *time.Duration
}

// Connect opens a TCP connection.
type Connect struct {
	From   string
	Target Target
	Family Family
	Eyeballs
	// Timeout ends the attempt, or all of them and the resolution of the name; zero
	// leaves it to the kernel.
	Timeout time.Duration
	// As keeps the connection open under this name.
	As string
	// KeepAlive has the kernel probe it while it is idle.
	KeepAlive bool
	// Port is the client's own; zero lets the kernel choose.
	Port uint16
	// FastOpen is sent with the SYN, or right after the handshake; empty for nothing.
	FastOpen string
	// UserTimeout is how long the kernel goes on with what is not acknowledged;
	// zero leaves it to its retries.
	UserTimeout time.Duration
}

// Target is a node's name, a name that a resolver knows or an IP address, and a
// port. A resolver's name has a dot, and a node's has none.
type Target struct {
	Host string
	Port uint16
}

// HTTP performs one GET request.
type HTTP struct {
	From string
	// URL as written; TLS, Host, Port and Path are its parts.
	URL    string
	TLS    bool
	Target Target
	Path   string
	Family Family
	Eyeballs
	// TLSVersion is the only one that the client speaks, "1.2" or "1.3"; empty for
	// both. Resume offers the session of an earlier request to the same server.
	TLSVersion string
	Resume     bool
	// Timeout ends the whole request; zero means 30 s.
	Timeout time.Duration
}

// Exec runs a command in a node.
type Exec struct {
	From string
	// Args is the command. A command line written as one string becomes
	// sh -c LINE.
	Args []string
	// Text is the command as written, for reports.
	Text string
	// Timeout ends it with SIGKILL; zero means 60 s.
	Timeout time.Duration
	// Env are NAME=value pairs added to the environment, sorted by name.
	Env []string
	// Background leaves it running until the scenario ends. Ready, if not zero, is
	// the TCP port on which something in the node must listen before the step ends;
	// Timeout is for that.
	Background bool
	Ready      uint16
}

// Wait lets time pass.
type Wait struct{ Duration time.Duration }

// Close ends a kept connection.
type Close struct {
	Connection string
	// Reset sends RST in place of FIN.
	Reset bool
	// Half shuts the client's side down and leaves the connection open.
	Half bool
	// Until, if not nil, has both ends watched until each has entered its state.
	Until *Until
	// Timeout ends that; zero means 3 min.
	Timeout time.Duration
}

// Until is a state for each end of a connection, empty for one that does not
// matter.
type Until struct{ Client, Server observe.State }

// Await waits until a kept connection ends.
type Await struct {
	Connection string
	// Timeout ends the wait; zero means 30 s.
	Timeout time.Duration
}

// Exchange writes to a kept connection and reads as Read says.
type Exchange struct {
	Connection string
	// Send is empty where nothing is written.
	Send string
	// Read is empty for ReadAnswer.
	Read Reading
	// Timeout ends the wait for the answer; zero means 30 s.
	Timeout time.Duration
}

// Parallel are steps that run at the same time. They begin in their order.
type Parallel struct{ Steps []Step }

// Scan finds out which TCP ports of a host are open.
type Scan struct {
	From string
	// Host is a node's name or an address.
	Host string
	// Ports are probed in this order; Text is how they are written.
	Ports  []uint16
	Text   string
	Family Family
	// Rate is how fast SYNs are sent; zero means DefaultScanRate.
	Rate topo.Rate
	// Retries is how often a SYN is sent again that nothing answers.
	Retries int
	// Timeout ends the scan; zero lets it go on until every port is decided.
	Timeout time.Duration
}

// Flood sends SYNs at a rate and does not wait for what they bring about.
type Flood struct {
	From   string
	Target Target
	Family Family
	Rate   topo.Rate
	// Spoof is where the source addresses are drawn from; invalid means that they
	// are the node's own.
	Spoof netip.Prefix
	// Duration ends it; zero, in the background, means that the scenario does.
	Duration time.Duration
	// Background lets later steps run meanwhile.
	Background bool
}

// What a scan does that names nothing else.
const DefaultRetries = 2

// DefaultScanRate and DefaultFloodRate are those of a step that names none.
var (
	DefaultScanRate  = topo.Rate{Packets: 1000, Per: "second"}
	DefaultFloodRate = topo.Rate{Packets: 1000, Per: "second"}
)

// DefaultFloodDuration is that of a flood that is not in the background.
const DefaultFloodDuration = time.Second

// Set changes the running network. Either Link or Node is set.
type Set struct {
	// Link is the index of the link in the topology, -1 if a node is changed.
	Link int
	// Toward are the link's impairments from now on, complete, and MTU and Down
	// as in topo.Link.
	Toward [2]netem.Impairment
	MTU    int
	Down   bool
	// Node names the node that is changed. Of the rest, what is not nil replaces
	// the node's own (an empty list removes all).
	Node     string
	Listen   *[]topo.Listener
	Firewall *[]topo.Rule
	Flows    *uint32
	// Rulesets replace those of the same tools, if there are any.
	Rulesets []topo.Ruleset
	Resolver *topo.Resolver
	NAT      *topo.NAT
	Sysctls  *[]topo.Sysctl
	Routes   *[]topo.Route
	// FlushNAT makes the node's NAT, after all else, forget its flows and mappings.
	FlushNAT bool
	// Text is the change as a person would say it, for reports, such as
	// "link client – server: delay 60ms".
	Text string
}

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
