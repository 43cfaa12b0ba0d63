// Package scan finds out which TCP ports of an address are open, closed or
// filtered, with SYNs from a raw socket, as `nmap -sS` does. The kernel's own TCP
// answers a SYN-ACK that it did not ask for with a RST, so that no connection comes
// about.
package scan

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"testbed/agents"
	"testbed/agents/raw"
	"testbed/netem"
	"testbed/topo/netns"
)

// Options of Run.
type Options struct {
	Target netip.Addr
	// Ports are probed in this order. None is there twice.
	Ports []uint16
	// Due is when the n-th SYN may leave, from the first on.
	Due func(n int) time.Duration
	// Retries is how often a SYN is sent again that nothing answers.
	Retries int
	// Wait is how long the first answers are waited for; what has been answered
	// makes it shorter or longer. Zero means 1 s.
	Wait time.Duration
	// Timeout ends the scan; zero lets it go on until every port is decided.
	Timeout time.Duration
	// Seed decides the sequence numbers, and Run, its number among those of the
	// namespace, the source ports: runs at the same time have different ones.
	Seed uint64
	Run  int
	// OnStart, if not nil, is told when the first SYN has left.
	OnStart func()
}

// Result is a scan that ended.
type Result struct {
	// Began is just before the first SYN.
	Began   time.Time
	Elapsed time.Duration
	// Deadline is true when Options.Timeout ended it.
	Deadline bool
	// Source is the address that the SYNs came from, invalid if there was no route.
	Source netip.Addr
	// Ports are in the order of Options.Ports.
	Ports []agents.Port
}

// Ports that the kernel does not choose for connections (ip_local_port_range),
// so that answers to probes are nobody else's.
const (
	firstSource = 61000
	sources     = 4096
	each        = 16
)

// MaxRetries bounds Options.Retries: each SYN of a port has a source port of its own.
const MaxRetries = each - 1

// Run scans from a namespace. The error is the testbed's own or the context's: what
// keeps SYNs from being sent, a lacking route or the node's own firewall, is in the
// ports.
func Run(ctx context.Context, ns *netns.NS, o Options) (*Result, error) {
	o.Retries = min(o.Retries, MaxRetries)
	s := &scan{o: o, rtt: estimator{wait: o.Wait}, byPort: make(map[uint16]*probe, len(o.Ports))}
	if s.rtt.wait == 0 {
		s.rtt.wait = time.Second
	}
	source := firstSource + uint16(netem.Mix(o.Seed)%sources/each+uint64(o.Run))%(sources/each)*each
	for i, port := range o.Ports {
		p := &probe{seq: uint32(netem.Mix(o.Seed ^ uint64(port)<<32)), Port: agents.Port{Number: port, Answer: agents.NoAnswer, Source: source}, place: i}
		s.probes = append(s.probes, p)
		s.byPort[port] = p
	}
	err := s.run(ctx, ns)
	r := &Result{Began: s.began, Elapsed: time.Since(s.began), Deadline: s.deadline, Source: s.local}
	for _, p := range s.probes {
		r.Ports = append(r.Ports, p.Port)
	}
	return r, err
}

// probe is a port that is being scanned.
type probe struct {
	agents.Port
	place int
	seq   uint32
	// sent is when each SYN left, from the beginning, and expires when the last one
	// has been waited for.
	sent    []time.Duration
	expires time.Duration
	decided bool
}

// scan is a scan under way.
type scan struct {
	o        Options
	began    time.Time
	local    netip.Addr
	sender   *raw.Sender
	receiver *raw.Receiver
	probes   []*probe
	byPort   map[uint16]*probe
	rtt      estimator
	// due are the probes to send, fresh how many have been taken from probes, and
	// waiting those that are waited for.
	due      []*probe
	fresh    int
	waiting  waiting
	sent     int
	shift    time.Duration
	open     int
	deadline bool
}

func (s *scan) run(ctx context.Context, ns *netns.NS) (err error) {
	s.began = time.Now()
	s.receiver, err = raw.NewReceiver(ns, s.o.Target)
	var errno unix.Errno
	if errors.As(err, &errno) && unreachable(errno) {
		for _, p := range s.probes {
			p.State, p.Errno = agents.PortFiltered, unix.ErrnoName(errno)
		}
		return nil
	}
	if err != nil {
		return err
	}
	defer s.receiver.Close()
	s.local = s.receiver.Local()
	if s.sender, err = raw.NewSender(ns, s.o.Target.Is4()); err != nil {
		return err
	}
	defer s.sender.Close()
	s.began = time.Now()
	s.open = len(s.probes)
	for s.open > 0 && !s.deadline {
		if err := s.turn(ctx); err != nil {
			return err
		}
	}
	return nil
}

// unreachable tells whether connect(2) says that there is no way to an address.
func unreachable(e unix.Errno) bool {
	switch e {
	case unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EACCES, unix.EINVAL, unix.EADDRNOTAVAIL, unix.ENETDOWN:
		return true
	}
	return false
}

// turn sends what is due, takes in what has come, and gives up what has expired.
func (s *scan) turn(ctx context.Context) error {
	now := time.Since(s.began)
	for s.hasDue() && s.slot() <= now {
		if err := s.send(s.next()); err != nil {
			return err
		}
		now = time.Since(s.began)
	}
	until, ok := s.soonest()
	if !ok {
		return nil
	}
	if err := s.receiver.Receive(ctx, s.began.Add(until), s.take); err != nil {
		return fmt.Errorf("scan: %w", err)
	}
	s.expire(time.Since(s.began))
	return nil
}

// hasDue tells whether a SYN is to be sent.
func (s *scan) hasDue() bool { return len(s.due) > 0 || s.fresh < len(s.probes) }

// slot is when the next SYN may leave.
func (s *scan) slot() time.Duration { return s.o.Due(s.sent) + s.shift }

// next is the probe whose SYN is sent next: one that is sent again comes first.
func (s *scan) next() *probe {
	if len(s.due) > 0 {
		p := s.due[0]
		s.due = s.due[1:]
		return p
	}
	s.fresh++
	return s.probes[s.fresh-1]
}

// soonest is when there is something to do, unless an answer comes before.
func (s *scan) soonest() (at time.Duration, ok bool) {
	if s.hasDue() {
		at, ok = s.slot(), true
	}
	if len(s.waiting) > 0 && (!ok || s.waiting[0].expires < at) {
		at, ok = s.waiting[0].expires, true
	}
	if s.o.Timeout > 0 && (!ok || s.o.Timeout < at) {
		at, ok = s.o.Timeout, true
	}
	return at, ok
}

// send sends a probe's SYN, each from a port of its own.
func (s *scan) send(p *probe) error {
	if p.decided {
		return nil
	}
	n := len(p.sent)
	now := time.Since(s.began)
	syn := raw.SYN{
		Source: netip.AddrPortFrom(s.local, p.Source+uint16(n)), Target: netip.AddrPortFrom(s.o.Target, p.Number),
		Seq: p.seq + uint32(n), ID: uint16(netem.Mix(uint64(p.seq)+uint64(n))) | 1,
	}
	err := s.sender.Send(syn.Packet(), s.o.Target)
	if s.sent++; s.sent == 1 && s.o.OnStart != nil {
		s.o.OnStart()
	}
	p.State = agents.PortFiltered
	p.sent = append(p.sent, now)
	p.expires = now + s.rtt.timeout(n)
	heap.Push(&s.waiting, p)
	var errno unix.Errno
	switch {
	case err == nil:
		p.Probes++
		p.Errno = ""
	case errors.As(err, &errno) && (unreachable(errno) || errno == unix.EPERM || errno == unix.EAGAIN || errno == unix.ENOBUFS):
		p.Errno = unix.ErrnoName(errno)
	default:
		return fmt.Errorf("send SYN to %s: %w", syn.Target, err)
	}
	return nil
}

// expire sends again, or gives up, what nothing has answered in its time.
func (s *scan) expire(now time.Duration) {
	idle := !s.hasDue()
	for len(s.waiting) > 0 && s.waiting[0].expires <= now {
		p := heap.Pop(&s.waiting).(*probe)
		switch {
		case p.decided:
		case len(p.sent) <= s.o.Retries:
			s.due = append(s.due, p)
		default:
			s.decide(p)
		}
	}
	if idle && s.hasDue() { // the pace begins anew after a pause
		s.shift = max(s.shift, now-s.o.Due(s.sent))
	}
	s.deadline = s.o.Timeout > 0 && now >= s.o.Timeout
}

func (s *scan) decide(p *probe) {
	if !p.decided {
		p.decided = true
		s.open--
	}
}

// take takes in an answer.
func (s *scan) take(g raw.Segment) {
	p := s.byPort[g.Remote]
	if p == nil || p.decided {
		return
	}
	try := int(g.Local) - int(p.Source)
	if try < 0 || try >= len(p.sent) {
		return
	}
	now := time.Since(s.began)
	if !p.answered(g, p.seq+uint32(try)) {
		return
	}
	p.After = now - p.sent[try]
	s.rtt.measure(p.After)
	s.decide(p)
}

// answered takes an answer to the SYN of a sequence number over, if it is one.
func (p *probe) answered(g raw.Segment, seq uint32) bool {
	const syn, rst, ack = 1 << 1, 1 << 2, 1 << 4
	switch {
	case g.ICMP != nil && g.Seq == seq:
		p.State, p.Answer = agents.PortFiltered, agents.AnswerICMP
		p.Type, p.Code, p.From = g.ICMP.Type, g.ICMP.Code, g.ICMP.From
	case g.ICMP != nil || g.Ack != seq+1 || g.Flags&ack == 0:
		return false
	case g.Flags&rst != 0:
		p.State, p.Answer = agents.PortClosed, agents.AnswerReset
	case g.Flags&syn != 0:
		p.State, p.Answer = agents.PortOpen, agents.AnswerSynAck
	default:
		return false
	}
	return true
}
