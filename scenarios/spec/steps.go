package spec

import (
	"net/netip"
	"slices"
	"time"

	"testbed/netem"
	"testbed/observe"
	"testbed/topo"
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
