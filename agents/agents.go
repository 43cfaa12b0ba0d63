// Package agents is the vocabulary of what clients and servers do and how it
// ends. It makes no system call; the agents themselves are its sub-packages.
package agents

import "slices"

// Outcome is how an attempt ended, as an application sees it.
type Outcome string

// The outcomes of a connection attempt, and of an exchange on an open
// connection.
const (
	Connected Outcome = "connected"
	// Refused is ECONNREFUSED.
	Refused Outcome = "refused"
	// TimedOut is ETIMEDOUT, or the attempt's own deadline.
	TimedOut Outcome = "timed-out"
	// HostUnreachable is EHOSTUNREACH.
	HostUnreachable Outcome = "host-unreachable"
	// NetworkUnreachable is ENETUNREACH.
	NetworkUnreachable Outcome = "network-unreachable"
	// Reset is ECONNRESET.
	Reset Outcome = "reset"
	// Denied is EACCES or EPERM.
	Denied Outcome = "denied"
	// Failed is any other error; its errno says which.
	Failed Outcome = "failed"
	// NoSuchName is EAI_NONAME: the name does not exist, or has no address that could
	// be tried. ResolutionFailed is EAI_AGAIN: no resolver gave an answer.
	NoSuchName       Outcome = "no-such-name"
	ResolutionFailed Outcome = "resolution-failed"
	// Abandoned is an attempt of several that another one was faster than.
	Abandoned Outcome = "abandoned"
	// Answered is an exchange whose answer is complete.
	Answered Outcome = "answered"
	// Closed is an exchange whose far end closed before the answer was complete, or
	// a connection that the far end closed while it was waited for.
	Closed Outcome = "closed"
	// Sent is an exchange that only writes: the kernel has taken all of it.
	Sent Outcome = "sent"
	// Transferred is a transfer of which all bytes are across.
	Transferred Outcome = "transferred"
)

// ConnectOutcomes, RequestOutcomes, ExchangeOutcomes, TransferOutcomes and AwaitOutcomes list what a step may
// expect.
var (
	ConnectOutcomes  = []Outcome{Connected, Refused, TimedOut, HostUnreachable, NetworkUnreachable, Reset, Denied, Failed, NoSuchName, ResolutionFailed}
	RequestOutcomes  = append(slices.Clone(ConnectOutcomes), Closed)
	ExchangeOutcomes = []Outcome{Answered, Sent, Reset, Closed, TimedOut}
	TransferOutcomes = []Outcome{Transferred, Closed, Reset, TimedOut, HostUnreachable, NetworkUnreachable}
	AwaitOutcomes    = []Outcome{Closed, Reset, TimedOut, HostUnreachable, NetworkUnreachable}
)
