// Package flood sends connection requests at a rate, from its own address or from
// addresses that are not its own, and takes no notice of the answers.
package flood

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"testbed/agents/raw"
	"testbed/netem"
	"testbed/topo/netns"
)

// Options of Run.
type Options struct {
	Target netip.AddrPort
	// From is what source addresses are drawn from; a prefix of one address is that
	// address. It is of the target's family.
	From netip.Prefix
	// Due is when the n-th SYN may leave, from the first on.
	Due func(n int) time.Duration
	// Duration ends it, a little later where it is behind its rate; zero leaves that to
	// the context.
	Duration time.Duration
	// Seed decides the source addresses and ports, and the sequence numbers.
	Seed uint64
	// OnStart, if not nil, is told when the first SYN has left.
	OnStart func()
}

// Result is a flood that ended.
type Result struct {
	// Began is just before the first SYN.
	Began   time.Time
	Elapsed time.Duration
	// Sent is how many SYNs left, Failed how many the kernel did not take, the last
	// of them with Errno.
	Sent, Failed int
	Errno        unix.Errno
}

// FirstPort and LastPort bound the source ports: Linux chooses others for its own
// connections (ip_local_port_range).
const (
	FirstPort = 1024
	LastPort  = 32767
)

// lag is how long after its end a flood may go on with what it has not come to send.
const lag = 100 * time.Millisecond

// Run floods from a namespace until its duration has passed or the context ends,
// which is no error.
func Run(ctx context.Context, ns *netns.NS, o Options) (*Result, error) {
	sender, err := raw.NewSender(ns, o.Target.Addr().Is4())
	if err != nil {
		return nil, err
	}
	defer sender.Close()
	f := &flood{o: o, sender: sender, random: rand.New(rand.NewPCG(netem.Mix(o.Seed), 0)), r: &Result{Began: time.Now()}}
	err = f.run(ctx)
	f.r.Elapsed = time.Since(f.r.Began)
	return f.r, err
}

type flood struct {
	o      Options
	sender *raw.Sender
	random *rand.Rand
	r      *Result
}

// run sends what is due, and sleeps until more is.
func (f *flood) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := 0; ; {
		now := time.Since(f.r.Began)
		due := f.o.Due(n)
		for ; due <= now && !f.over(due) && ctx.Err() == nil; due = f.o.Due(n) {
			if err := f.send(n); err != nil {
				return err
			}
			if n++; f.over(time.Since(f.r.Began) - lag) {
				return nil
			}
		}
		if f.over(due) {
			due = f.o.Duration
		}
		timer.Reset(max(0, due-time.Since(f.r.Began)))
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if f.over(due) {
			return nil
		}
	}
}

func (f *flood) over(at time.Duration) bool { return f.o.Duration > 0 && at >= f.o.Duration }

// send sends the n-th SYN.
func (f *flood) send(n int) error {
	syn := raw.SYN{
		Source: netip.AddrPortFrom(draw(f.random, f.o.From), FirstPort+uint16(n%(LastPort-FirstPort+1))),
		Target: f.o.Target, Seq: f.random.Uint32(), ID: uint16(f.random.Uint32()) | 1,
	}
	err := f.sender.Send(syn.Packet(), f.o.Target.Addr())
	var errno unix.Errno
	switch {
	case err == nil:
		f.r.Sent++
	case errors.As(err, &errno) && tolerable(errno):
		f.r.Failed++
		f.r.Errno = errno
	default:
		return fmt.Errorf("send SYN to %s: %w", f.o.Target, err)
	}
	if n == 0 && f.o.OnStart != nil {
		f.o.OnStart()
	}
	return nil
}

// tolerable tells whether an error is the network's, not the testbed's: no route,
// the node's own firewall, or a full queue.
func tolerable(e unix.Errno) bool {
	switch e {
	case unix.EPERM, unix.EACCES, unix.EINVAL, unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ENETDOWN, unix.ENOBUFS, unix.EAGAIN:
		return true
	}
	return false
}

// draw is an address of a prefix.
func draw(r *rand.Rand, p netip.Prefix) netip.Addr {
	a := p.Addr().As16()
	var noise [16]byte
	binary.BigEndian.PutUint64(noise[:], r.Uint64())
	binary.BigEndian.PutUint64(noise[8:], r.Uint64())
	fixed := p.Bits()
	if p.Addr().Is4() {
		fixed += 96
	}
	for i := range a {
		mask := byte(0xff >> max(0, min(8, fixed-8*i)))
		a[i] = a[i]&^mask | noise[i]&mask
	}
	return netip.AddrFrom16(a).Unmap()
}
