package report

import "time"

// Version is the version of the JSON document. It grows when a field is
// renamed or removed or changes its meaning; new fields do not change it.
const Version = 1

// Document is what JSON writes: the results of one run, oldest step first.
//
// A field that ends in _ns is a whole number of nanoseconds; at_ns is one on
// the step's own clock, which starts when the step begins. Other times are in
// RFC 3339 with up to nine decimals. Whatever was not observed is left out.
type Document struct {
	Version   int                `json:"version"`
	OK        bool               `json:"ok"`
	Scenarios []ScenarioDocument `json:"scenarios"`
}

// ScenarioDocument is one scenario's result.
type ScenarioDocument struct {
	Name    string   `json:"name"`
	File    string   `json:"file,omitempty"`
	Summary string   `json:"summary,omitempty"`
	Tags    []string `json:"tags,omitempty"`
	// OK is true when the scenario ran and every expectation was met, or it was
	// skipped.
	OK        bool      `json:"ok"`
	Began     time.Time `json:"began"`
	ElapsedNS int64     `json:"elapsed_ns"`
	// Kernel is the release of the kernel that it ran on. Skipped says why the
	// scenario is not for that kernel and was not run; empty otherwise.
	Kernel  string `json:"kernel,omitempty"`
	Skipped string `json:"skipped,omitempty"`
	// Links is the medium that carried the links: "kernel" for its netem, or "wire".
	// Empty if none was built.
	Links string `json:"links,omitempty"`
	// Error is why the testbed itself failed; empty otherwise. Interrupted tells
	// whether that was because somebody stopped it.
	Error       string         `json:"error,omitempty"`
	Interrupted bool           `json:"interrupted,omitempty"`
	Steps       []StepDocument `json:"steps"`
	// Cells are there of a scenario that is run more than once: one for each
	// combination of its matrix, or one. Steps is empty then.
	Cells []CellDocument `json:"cells,omitempty"`
}

// CellDocument is what the runs of a scenario with one combination of values
// observed.
type CellDocument struct {
	// Parameters are the values by the parameters' names.
	Parameters map[string]string `json:"parameters,omitempty"`
	OK         bool              `json:"ok"`
	Began      time.Time         `json:"began"`
	ElapsedNS  int64             `json:"elapsed_ns"`
	Links      string            `json:"links,omitempty"`
	Error      string            `json:"error,omitempty"`
	// Series are what all repetitions made of each step.
	Series []SeriesDocument `json:"series"`
	// Steps are one repetition in full: the first that was not as expected, else the
	// first. Repetition is its number, from 1, and Seed the seed that shows it again.
	Repetition int            `json:"repetition,omitempty"`
	Seed       uint64         `json:"seed"`
	Steps      []StepDocument `json:"steps"`
}

// SeriesDocument is what the repetitions of a step observed.
type SeriesDocument struct {
	// Step is what it is called: "3", or "3.1" for the first step of a parallel one.
	Step  string `json:"step,omitempty"`
	Kind  string `json:"kind"`
	Title string `json:"title"`
	OK    bool   `json:"ok"`
	// Count is how many repetitions came to the step, Failed how many of them were
	// not as expected.
	Count    int                  `json:"count"`
	Failed   int                  `json:"failed"`
	Outcomes []OutcomeDocument    `json:"outcomes"`
	Times    []StatisticsDocument `json:"times"`
	// Checks are of what is expected of all repetitions together.
	Checks  []CheckDocument  `json:"checks,omitempty"`
	Samples []SampleDocument `json:"samples"`
}

// OutcomeDocument is a way in which a step ended, in words, and how often; Share is
// from 0 to 1.
type OutcomeDocument struct {
	Outcome string  `json:"outcome"`
	Count   int     `json:"count"`
	Share   float64 `json:"share"`
}

// StatisticsDocument are the values of a time that so many percent of the
// repetitions do not exceed which observed it; each was really observed.
type StatisticsDocument struct {
	Time  string `json:"time"`
	Count int    `json:"count"`
	MinNS int64  `json:"min_ns"`
	P50NS int64  `json:"p50_ns"`
	P95NS int64  `json:"p95_ns"`
	MaxNS int64  `json:"max_ns"`
}

// SampleDocument is one repetition. Its fields are those of StepDocument.
type SampleDocument struct {
	Repetition      int    `json:"repetition"`
	OK              bool   `json:"ok"`
	Outcome         string `json:"outcome,omitempty"`
	Errno           string `json:"errno,omitempty"`
	Status          int    `json:"status,omitempty"`
	Exit            *int   `json:"exit,omitempty"`
	ConnectTimeNS   *int64 `json:"connect_time_ns,omitempty"`
	AcceptTimeNS    *int64 `json:"accept_time_ns,omitempty"`
	TLSTimeNS       *int64 `json:"tls_time_ns,omitempty"`
	FirstByteTimeNS *int64 `json:"first_byte_time_ns,omitempty"`
	ElapsedNS       int64  `json:"elapsed_ns"`
	// Unmet are the keys of the expectations that were not met.
	Unmet []string `json:"unmet,omitempty"`
}

// StepDocument is one step: what it did, what was observed, what was expected.
type StepDocument struct {
	// Step counts from 1; Line is where it begins in the file.
	Step      int       `json:"step"`
	Line      int       `json:"line,omitempty"`
	Kind      string    `json:"kind"`
	Title     string    `json:"title"`
	From      string    `json:"from,omitempty"`
	Target    string    `json:"target,omitempty"`
	OK        bool      `json:"ok"`
	Began     time.Time `json:"began"`
	ElapsedNS int64     `json:"elapsed_ns"`
	// Outcome and Errno are the connection's or the exchange's. Deadline is true
	// when the step's own timeout ended it.
	Outcome  string `json:"outcome,omitempty"`
	Errno    string `json:"errno,omitempty"`
	Deadline bool   `json:"deadline,omitempty"`
	Detail   string `json:"detail,omitempty"`
	// Local and Remote are address and port as the client has them.
	Local  string        `json:"local,omitempty"`
	Remote string        `json:"remote,omitempty"`
	Path   *PathDocument `json:"path,omitempty"`

	// ConnectSource is "packets" or "agent". CallTimeNS is how long connect(2)
	// took by the agent's own clock.
	ConnectTimeNS *int64 `json:"connect_time_ns,omitempty"`
	ConnectSource string `json:"connect_source,omitempty"`
	CallTimeNS    *int64 `json:"call_time_ns,omitempty"`
	AcceptTimeNS  *int64 `json:"accept_time_ns,omitempty"`
	AcceptSource  string `json:"accept_source,omitempty"`
	TLSTimeNS     *int64 `json:"tls_time_ns,omitempty"`
	// TimeWaitNS and FinWait2NS are how long the end that closed was in TIME-WAIT
	// and in FIN-WAIT-2. Their ends were looked for every ResolutionNS.
	TimeWaitNS      *int64 `json:"time_wait_ns,omitempty"`
	FinWait2NS      *int64 `json:"fin_wait_2_ns,omitempty"`
	ResolutionNS    int64  `json:"resolution_ns,omitempty"`
	FirstByteTimeNS *int64 `json:"first_byte_time_ns,omitempty"`

	// Name is what was resolved. Beside are the packets of the queries and of the
	// attempts that did not decide.
	Name          string            `json:"name,omitempty"`
	ResolveTimeNS *int64            `json:"resolve_time_ns,omitempty"`
	Queries       []QueryDocument   `json:"queries,omitempty"`
	Attempts      []AttemptDocument `json:"attempts,omitempty"`
	Beside        []JourneyDocument `json:"beside,omitempty"`

	// Negotiated is what both ends agreed on, left out where no SYN-ACK arrived.
	Negotiated *NegotiatedDocument `json:"negotiated,omitempty"`
	// ResetBy is who sent the RST that ended the connection, left out where none
	// arrived.
	ResetBy *ResetDocument `json:"reset_by,omitempty"`

	States   *StatesDocument `json:"states,omitempty"`
	SeenFrom string          `json:"seen_from,omitempty"`
	SeenAddr string          `json:"seen_addr,omitempty"`
	Rules    []RuleDocument  `json:"rules,omitempty"`
	// Rewrites are what nodes on the way changed in packets.
	Rewrites []RewriteDocument `json:"rewrites,omitempty"`
	// TLSVersion is what a TLS handshake agreed on, such as "1.3"; TLSResumed is true
	// where it resumed a session.
	TLSVersion string `json:"tls_version,omitempty"`
	TLSResumed bool   `json:"tls_resumed,omitempty"`
	Status     int    `json:"status,omitempty"`
	// Command is there for exec steps, Answer for exchanges.
	Command *CommandDocument `json:"command,omitempty"`
	Answer  string           `json:"answer,omitempty"`

	// Ports are a scan's, in the order in which they were probed.
	Ports []PortDocument `json:"ports,omitempty"`
	// Flood is there for flood steps.
	Flood *FloodDocument `json:"flood,omitempty"`

	// Transfer is there for transfer steps.
	Transfer *TransferDocument `json:"transfer,omitempty"`

	Journeys []JourneyDocument `json:"journeys,omitempty"`
	// UnseenFrames is how many frames the capture had to leave out.
	UnseenFrames uint64 `json:"unseen_frames,omitempty"`
	// Series is there of a step that is performed several times in a row: what all of
	// them made of it. The rest is of the one with the number Repetition.
	Series     *SeriesDocument `json:"series,omitempty"`
	Repetition int             `json:"repetition,omitempty"`
	// Parallel are the steps of a parallel step, of which Step is the place among
	// them. RulesShared is true of these: their Rules count the packets of all steps
	// that ran at that time.
	Parallel    []StepDocument  `json:"parallel,omitempty"`
	RulesShared bool            `json:"rules_shared,omitempty"`
	Checks      []CheckDocument `json:"checks"`
	// Explanation is the paragraph in plain words.
	Explanation string `json:"explanation,omitempty"`
}

// NegotiatedDocument is what both ends of a connection agreed on, by the SYN and the
// SYN-ACK as they arrived. MSS is the smaller of the two.
type NegotiatedDocument struct {
	MSS        int  `json:"mss"`
	WScale     bool `json:"wscale"`
	SACK       bool `json:"sack"`
	Timestamps bool `json:"timestamps"`
	ECN        bool `json:"ecn"`
}

// ResetDocument is a RST: the node that sent it, or the link with the fault that made
// it, its TTL where it arrived, and how many routers that says it crossed.
type ResetDocument struct {
	Node  string   `json:"node,omitempty"`
	Link  []string `json:"link,omitempty"`
	Fault string   `json:"fault,omitempty"`
	TTL   uint8    `json:"ttl"`
	Hops  int      `json:"hops"`
}

// PathDocument is the route to the target and back. ThereNS[i] is the delay
// configured from Nodes[i] to Nodes[i+1], BackNS[i] that from Return[i] to
// Return[i+1].
type PathDocument struct {
	Nodes   []string `json:"nodes"`
	ThereNS []int64  `json:"there_ns"`
	Return  []string `json:"return"`
	BackNS  []int64  `json:"back_ns"`
}

// StatesDocument are the TCP states that each end entered, in order.
type StatesDocument struct {
	// Source is "tracepoint" or "packets".
	Source string          `json:"source"`
	Client []StateDocument `json:"client,omitempty"`
	Server []StateDocument `json:"server,omitempty"`
}

// StateDocument is a state by its RFC 9293 name.
type StateDocument struct {
	AtNS  int64  `json:"at_ns"`
	State string `json:"state"`
}

// RuleDocument is a firewall rule that matched during the step.
type RuleDocument struct {
	Node    string `json:"node"`
	Rule    string `json:"rule"`
	Action  string `json:"action"`
	Packets uint64 `json:"packets"`
}

// RewriteDocument is a field of packets that a node changed on their way: ecn, mss,
// wscale, sack, timestamps, fast_open or ecn_setup. From and To are
// in words, "none" for an option that is not there.
type RewriteDocument struct {
	Node    string `json:"node"`
	Field   string `json:"field"`
	From    string `json:"from"`
	To      string `json:"to"`
	Packets int    `json:"packets"`
}

// CommandDocument is a command's exit code and output.
type CommandDocument struct {
	Exit   int    `json:"exit"`
	Stdout string `json:"stdout"`
	Stderr string `json:"stderr"`
}

// PortDocument is a port that was scanned. State is "open", "closed" or
// "filtered", empty if it was not probed.
type PortDocument struct {
	Port  uint16 `json:"port"`
	State string `json:"state,omitempty"`
	// Answer is "syn-ack", "rst", "icmp" or "no-answer". ICMPType, ICMPCode and From,
	// its source, are there for "icmp".
	Answer   string `json:"answer"`
	ICMPType *uint8 `json:"icmp_type,omitempty"`
	ICMPCode *uint8 `json:"icmp_code,omitempty"`
	From     string `json:"from,omitempty"`
	// By is the node that sent the answer.
	By string `json:"by,omitempty"`
	// Probes is how many SYNs were sent; AfterNS is from the one that was answered to
	// its answer, by the agent's own clock. Errno is why none could be sent.
	Probes  int    `json:"probes"`
	AfterNS int64  `json:"after_ns,omitempty"`
	Errno   string `json:"errno,omitempty"`
	// Drops are where SYNs and their answers died.
	Drops []FateDocument `json:"drops,omitempty"`
	// Reason is all of that in words.
	Reason string `json:"reason"`
}

// FloodDocument is what a flood came to.
type FloodDocument struct {
	// From is the prefix that source addresses were drawn from.
	From       string `json:"from"`
	Spoofed    bool   `json:"spoofed"`
	Background bool   `json:"background"`
	// Sent is how many SYNs left, Failed how many the sender's kernel did not take,
	// Arrived how many reached the target, Answered for how many it sent a SYN-ACK.
	Sent     int    `json:"sent"`
	Failed   int    `json:"failed,omitempty"`
	Errno    string `json:"errno,omitempty"`
	Arrived  int    `json:"arrived"`
	Answered int    `json:"answered"`
	// Counters are how much the target's counters of the kernel grew (TcpExt).
	Counters map[string]uint64 `json:"counters,omitempty"`
}

// CheckDocument is one expectation, in words as the text report has it.
type CheckDocument struct {
	Key       string `json:"key"`
	Expected  string `json:"expected"`
	Observed  string `json:"observed"`
	Tolerance string `json:"tolerance,omitempty"`
	// From is what an expected timeout of the kernel's was computed from.
	From string `json:"from,omitempty"`
	OK   bool   `json:"ok"`
	Note string `json:"note,omitempty"`
	// Kernels is the range of kernel versions that the expectation is for; empty
	// for all.
	Kernels string `json:"kernels,omitempty"`
}
