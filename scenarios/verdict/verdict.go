// Package verdict compares what a step observed with what it expects. It is
// pure: the same observation gives the same verdict.
package verdict

import (
	"net/netip"
	"time"

	"testbed/agents"
	"testbed/observe"
	"testbed/scenarios/timers"
)

// Observation is everything that is known of one step after it ended.
type Observation struct {
	// Step is the step's number in its scenario, or in the parallel step that it is of,
	// from 1.
	Step int
	Kind Kind
	// Clock is the one that the step ran on; empty is the host's.
	Clock Clock
	// Kernel is the release of the kernel that it ran on, as of uname(2).
	Kernel string
	// Title is the step in words: "connect server:80 from client".
	Title string
	From  string
	// Target is the node that was meant, empty for an address that no node has.
	Target string
	// Began is when the step began, Elapsed how long its action took: for a
	// connection attempt the time to its outcome.
	Began   time.Time
	Elapsed time.Duration

	Outcome agents.Outcome
	// Attempt is the outcome of connect(2) itself, which an http step goes on
	// from; empty in a step that does not connect.
	Attempt agents.Outcome
	// Errno is the error's name, such as "ECONNREFUSED"; empty for none.
	Errno string
	// Deadline is true when the step's own timeout ended it.
	Deadline bool
	// Detail is what else the agent has to say, such as a TLS alert.
	Detail string

	// Local and Remote are the ends of the connection as the client has them.
	Local, Remote netip.AddrPort
	// Path are the nodes' names from client to target along the route, with the
	// configured delays of the links between them, there and back.
	Path Path

	// ConnectTime, AcceptTime, TLSTime and FirstByteTime are nil when not
	// observed.
	ConnectTime, AcceptTime, TLSTime, FirstByteTime *time.Duration
	// ConnectSource and AcceptSource say where these times come from.
	ConnectSource, AcceptSource observe.Source
	// CallTime is how long connect(2) took by the agent's own clock, which
	// includes the time until the agent got the processor.
	CallTime *time.Duration

	// Journeys are the packets of the step's connection, in order of sending,
	// and the ICMP errors about them.
	Journeys []observe.Journey
	// Earlier are the packets of a kept connection from before the step.
	Earlier []observe.Journey
	// Unseen is the number of frames that the capture had to drop.
	Unseen uint64

	ClientStates, ServerStates []observe.StateChange
	StateSource                observe.Source
	// TimeWait and FinWait2 are how long the end that closed was in these states,
	// nil when that was not seen. Their ends were looked for that often.
	TimeWait, FinWait2 *Lasted
	Resolution         time.Duration
	// ClientTimers and ServerTimers are what the ends' timers follow from, nil where
	// nothing is expected of them; Estimate is what the connection's
	// retransmissions begin from.
	ClientTimers, ServerTimers *timers.Settings
	Estimate                   timers.Estimate
	// SeenFrom is the node whose address the server saw, SeenAddr that address.
	SeenFrom string
	SeenAddr netip.AddrPort
	// Rules are the firewall rules that matched during the step. RulesShared is true
	// where other steps ran at that time, whose packets they count too.
	Rules       []observe.RuleCount
	RulesShared bool
	// Samples are what each repetition made of a step that is performed several times
	// in a row, of which Repetition, from 1, is the one that the rest is of.
	Samples    []Sample
	Repetition int
	// Parallel are the observations of a parallel step's own steps.
	Parallel []*Observation
	// Rewrites are what nodes on the way changed in the packets of Journeys.
	Rewrites []observe.Rewrite

	// Name is what was resolved, empty for an address and for a node's own name.
	Name string
	// ResolveTime is from the beginning of the step until the first attempt could
	// begin, or the name was known not to resolve; nil where nobody was asked.
	ResolveTime *time.Duration
	// Queries are what resolvers were asked, in order of asking.
	Queries []Query
	// Attempts are the addresses that were tried, in order of beginning, where there
	// was a choice; what is above is of the one that connected, or ended last.
	Attempts []Attempt
	// Beside are the packets of the queries and of the other attempts.
	Beside []observe.Journey

	// TLSVersion is the version that a TLS handshake agreed on, such as "1.3", empty
	// if it did not come so far; Resumed is true where it resumed a session.
	TLSVersion string
	Resumed    bool
	// Status is the HTTP status, 0 without an answer.
	Status int
	// Background is true of a program that goes on; Ready is the port on which it was
	// to listen, zero for none.
	Background bool
	Ready      uint16
	// Exit, Stdout and Stderr are a command's.
	Exit           int
	Stdout, Stderr string
	// Transfer is nil but for a transfer.
	Transfer *Transfer
	// Answer is what an exchange read, cut to the first 256 bytes.
	Answer string

	// Ports are what a scan found out.
	Ports []ScannedPort
	// Flood is what a flood came to; nil of any other step.
	Flood *FloodResult
}

// FloodResult is what a flood came to. Of one that goes on in the background, only
// the first fields are known before the scenario ends.
type FloodResult struct {
	// From is the prefix that source addresses were drawn from.
	From                string
	Spoofed, Background bool
	// Sent is how many SYNs left, Failed how many the sender's kernel did not take,
	// the last of them with Errno, by name.
	Sent, Failed int
	Errno        string
	// Arrived is how many SYNs reached the target's interface, and Answered for how
	// many of them it sent a SYN-ACK.
	Arrived, Answered int
	// Counters are how much the target's counters of the kernel grew meanwhile,
	// whoever's packets made them grow; see spec.Counters.
	Counters map[string]uint64
}

// ScannedPort is a port that was scanned.
type ScannedPort struct {
	agents.Port
	// By is the node that sent the answer; empty without one, or where it was not
	// seen.
	By string
	// Drops are where segments of its probes and of their answers died, those to the
	// target first, in order of sending.
	Drops []observe.Drop
}

// Clock is what a scenario's time is.
type Clock string

// The clocks.
const (
	// Host is the host's own clock.
	Host Clock = "host"
	// Virtual is the clock of a virtual machine, which jumps over idle time and
	// counts instructions otherwise.
	Virtual Clock = "virtual"
)

// Lasted is how long a state lasted at an end.
type Lasted struct {
	time.Duration
	// Server is true at the server's end.
	Server bool
}

// Kind is a step's action.
type Kind string

// The kinds of steps.
const (
	Connect  Kind = "connect"
	HTTP     Kind = "http"
	Exec     Kind = "exec"
	Wait     Kind = "wait"
	Close    Kind = "close"
	Exchange Kind = "exchange"
	// Transferring is a transfer step.
	Transferring Kind = "transfer"
	Await        Kind = "await"
	Scan         Kind = "scan"
	Flood        Kind = "flood"
	Set          Kind = "set"
	Parallel     Kind = "parallel"
)

// Path is the route from a step's node to its target.
type Path struct {
	Nodes []string
	// There[i] is the configured delay from Nodes[i] to Nodes[i+1].
	There []time.Duration
	// Return are the nodes that answers pass, from the target to the client, and
	// Back[i] is the configured delay from Return[i] to Return[i+1].
	Return []string
	Back   []time.Duration
}

// OWD is the configured one-way delay to the target.
func (p Path) OWD() time.Duration { return sum(p.There) }

// RTT is the configured delay to the target and back.
func (p Path) RTT() time.Duration { return sum(p.There) + sum(p.Back) }

func sum(ds []time.Duration) (t time.Duration) {
	for _, d := range ds {
		t += d
	}
	return t
}

// Check is one expectation held against the observation.
type Check struct {
	// Key is the expectation's, such as connect_time.
	Key string `json:"key"`
	// Expected, Observed and Tolerance are in words: "2 owd = 200ms", "200.4ms",
	// "±9ms". Tolerance is empty where there is none.
	Expected  string `json:"expected"`
	Observed  string `json:"observed"`
	Tolerance string `json:"tolerance,omitempty"`
	OK        bool   `json:"ok"`
	// From is what an expected timeout of the kernel's was computed from: "client's
	// tcp_syn_retries 6, HZ 250".
	From string `json:"from,omitempty"`
	// Note says in words what is wrong, or what else matters, such as the source
	// of the observation.
	Note string `json:"note,omitempty"`
	// Kernels is the range of kernel versions that the expectation is for; empty
	// for all.
	Kernels string `json:"kernels,omitempty"`
}

// Verdict is what Judge says of a step.
type Verdict struct {
	OK     bool
	Checks []Check
	// Parallel are the verdicts of a parallel step's own steps.
	Parallel []Verdict
}
