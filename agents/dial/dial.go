// Package dial connects to one of a name's addresses: to one after the other, as
// programs do that go through what getaddrinfo(3) returned, or to several at once
// by Happy Eyeballs (RFC 8305).
package dial

import (
	"context"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"testbed/agents"
	"testbed/agents/dns"
	"testbed/agents/tcp"
	"testbed/topo/netns"
)

// Request is what to connect to, and how.
type Request struct {
	NS   *netns.NS
	Port uint16
	// Lookups ask for the addresses of a family each, IPv6 before IPv4; there is at
	// least one. Each begins once the one before has asked (RFC 8305, section 3).
	Lookups []Lookup
	// Race is Happy Eyeballs.
	Race bool
	// AttemptDelay and ResolutionDelay are RFC 8305's: how long an attempt has
	// before the next one begins beside it, and how long IPv4 waits for the answer
	// for IPv6.
	AttemptDelay, ResolutionDelay time.Duration
	// Timeout ends all of it; zero leaves that to the kernel and the lookups.
	Timeout time.Duration
	// OnStart, if not nil, is called once every lookup has asked.
	OnStart func()
	// Socket is what else is to be said of the sockets; its Timeout and OnStart are
	// not used.
	Socket tcp.Options
}

// Lookup finds addresses, of a type, before the context ends. It calls asked
// when it has asked. The error is the testbed's own.
type Lookup func(ctx context.Context, asked func()) (*dns.Answer, error)

// Attempt is one address that was tried.
type Attempt struct {
	To netip.AddrPort
	// Local is invalid when the kernel chose no source before it failed.
	Local netip.AddrPort
	Began time.Time
	// Elapsed is until it had its outcome, or was given up.
	Elapsed time.Duration
	// Outcome is agents.Abandoned for one that another was faster than.
	Outcome agents.Outcome
	Errno   unix.Errno
	// Deadline is true when the request's timeout ended it.
	Deadline bool
	// Conn is the winner's, else nil. The caller closes it.
	Conn *net.TCPConn
}

// Result is how a request ended.
type Result struct {
	Began time.Time
	// Elapsed is until the outcome, Resolved until the first attempt could begin,
	// or the lookups had ended without an address.
	Elapsed, Resolved time.Duration
	// Answers are in the order in which they came; those that did not have Failed.
	Answers []*dns.Answer
	// Attempts are in the order in which they began; Decisive is the one that
	// connected, or else ended last, nil without any.
	Attempts []*Attempt
	Decisive *Attempt
	Outcome  agents.Outcome
	// Deadline is true when the request's timeout ended it.
	Deadline bool
}

// Do performs a request. The error is the testbed's own or the context's.
func Do(ctx context.Context, r Request) (*Result, error) {
	race := &race{Request: r, Result: Result{Began: time.Now()}, looked: make(chan looked, len(r.Lookups)), ended: make(chan ended)}
	if err := race.run(ctx); err != nil {
		return nil, err
	}
	return &race.Result, nil
}
