package agents

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// PortState is what a port looks like from outside, in nmap's words.
type PortState string

// The states.
const (
	// PortOpen answers a SYN with a SYN-ACK.
	PortOpen PortState = "open"
	// PortClosed answers it with a RST.
	PortClosed PortState = "closed"
	// PortFiltered does not answer it, or an ICMP error comes in place of an answer.
	PortFiltered PortState = "filtered"
)

// PortStates lists the states.
var PortStates = []PortState{PortOpen, PortClosed, PortFiltered}

// Answer is what a probe of a port got.
type Answer string

// The answers.
const (
	AnswerSynAck Answer = "syn-ack"
	AnswerReset  Answer = "rst"
	// AnswerICMP is an ICMP or ICMPv6 error about the probe.
	AnswerICMP Answer = "icmp"
	// NoAnswer is silence, or a probe that could not be sent.
	NoAnswer Answer = "no-answer"
)

// Port is what a scan found out about a port.
type Port struct {
	Number uint16
	State  PortState
	Answer Answer
	// Type and Code are those of an ICMP error, and From is who sent it.
	Type, Code uint8
	From       netip.Addr
	// Probes is how many SYNs were sent; the first left from the port Source, each
	// further one from the port after it.
	Probes int
	Source uint16
	// After is the time from the SYN to its answer, by the agent's own clock; 0
	// without an answer.
	After time.Duration
	// Errno is the name of the error with which the last SYN could not be sent;
	// empty for none.
	Errno string
}

// FormatPorts writes ports in order, with ranges: "20-23, 80".
func FormatPorts(ports []uint16) string {
	ports = slices.Sorted(slices.Values(ports))
	var parts []string
	for i := 0; i < len(ports); {
		first := i
		for i++; i < len(ports) && ports[i] == ports[i-1]+1; i++ {
		}
		if first == i-1 {
			parts = append(parts, fmt.Sprint(ports[first]))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", ports[first], ports[i-1]))
		}
	}
	return strings.Join(parts, ", ")
}
