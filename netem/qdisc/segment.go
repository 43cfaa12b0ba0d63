package qdisc

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"testbed/netem"
	"testbed/topo"
	"testbed/topo/rtnl"
)

// segment is a link that the kernel carries.
type segment struct {
	medium *Medium
	link   netem.Link

	mu     sync.Mutex
	toward [2]*direction
	// pair are the ifindexes of the veth pair between the inner ends: what goes out
	// of one toward a side comes in at the other and is sent on to that side's inner
	// end. They are zero until a direction is staged.
	pair   [2]int
	undo   undo
	closed bool
}

var errSide = errors.New("a link has sides 0 and 1")

// begin makes the queues at both ends and then lets frames in.
func (s *segment) begin() error {
	for side, end := range s.link.Ends {
		if err := s.medium.steering.steer(end.Interface, 2*s.link.ID+side); err != nil {
			return fmt.Errorf("interface %s: %w", end.Interface, err)
		}
		if err := s.equip(end.Index); err != nil {
			return fmt.Errorf("interface %s: %w", end.Interface, err)
		}
		s.toward[side] = newDirection(s, netem.Side(side))
	}
	for side, d := range s.toward {
		if err := s.set(d, s.link.Toward[side]); err != nil {
			return err
		}
		if err := d.start(); err != nil {
			return err
		}
	}
	return nil
}

// equip gives an interface a netem for what it sends, and a place for filters for
// what it receives. The netem passes everything on at once.
//
//	tc qdisc add dev INDEX root handle 1: netem …
//	tc qdisc add dev INDEX clsact
func (s *segment) equip(index int) error {
	c, all := s.medium.conn, parameters{limit: room, rate: atOnce}
	if err := c.setQdisc(create, index, rootParent, netemHandle, "netem", all.encode()); err != nil {
		return fmt.Errorf("add netem: %w", err)
	}
	s.undo.push(func() error { return c.deleteQdisc(index, rootParent, netemHandle) })
	if err := c.setQdisc(create, index, clsactParent, clsactHandle, "clsact", nil); err != nil {
		return fmt.Errorf("add clsact: %w", err)
	}
	s.undo.push(func() error { return c.deleteQdisc(index, clsactParent, clsactHandle) })
	return nil
}

// addPair makes the pair, which carries frames when addPair returns.
//
//	ip link add qIDa up mtu 65535 type veth peer name qIDb
//	ip link set qIDb up
func (s *segment) addPair() error {
	if s.pair[0] != 0 {
		return nil
	}
	m := s.medium
	names := [2]string{fmt.Sprintf("q%da", s.link.ID), fmt.Sprintf("q%db", s.link.ID)}
	if err := m.links.AddVeth(names[0], m.ether, &topo.Interface{Name: names[1]}, rtnl.EtherMTU); err != nil {
		return err
	}
	var pair [2]int
	for side, name := range names {
		index, err := m.links.Index(name)
		if err != nil {
			return err
		}
		if pair[side] = index; side == 0 {
			s.undo.push(func() error {
				_, err := m.conn.do(unix.RTM_DELLINK, remove, &nl.IfInfomsg{IfInfomsg: unix.IfInfomsg{Index: int32(index)}})
				return err
			})
		}
		if err := s.equip(index); err != nil {
			return fmt.Errorf("interface %s: %w", name, err)
		}
	}
	if err := errors.Join(m.links.SetUp(names[1], true), m.links.AwaitUp(names[:]...)); err != nil {
		return err
	}
	for side, index := range pair {
		if err := m.conn.addFilter(index, redirection(index, s.link.Ends[side].Index)); err != nil {
			return fmt.Errorf("add filter to %s: %w", names[side], err)
		}
	}
	s.pair = pair
	return nil
}

// Set changes what happens to frames on their way to a side. Frames that wait for
// their turn at the rate meet the new delay.
func (s *segment) Set(to netem.Side, i netem.Impairment) error {
	if to != 0 && to != 1 {
		return fmt.Errorf("set impairment toward side %d: %w", to, errSide)
	}
	if err := errors.Join(i.Validate(), Check(i)); err != nil {
		return fmt.Errorf("set impairment of link %d: %w", s.link.ID, err)
	}
	s.medium.mu.Lock() // of what makes interfaces
	defer s.medium.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	err := os.ErrClosed
	if !s.closed {
		err = s.set(s.toward[to], i)
	}
	if err != nil {
		return fmt.Errorf("set impairment of link %d toward %s: %w", s.link.ID, s.link.Ends[to].Node, err)
	}
	return nil
}

// set changes a direction, which it stages if need be.
func (s *segment) set(d *direction, i netem.Impairment) error {
	stage := !d.staged && staged(i)
	if stage {
		if err := s.addPair(); err != nil {
			return err
		}
		d.entry.index, d.staged = s.pair[d.to.Other()], true
	}
	if err := d.set(i); err != nil {
		return err
	}
	if stage && d.started {
		return s.medium.conn.redirect(d.from, d.entry.index)
	}
	return nil
}

// Counters tells what has crossed on the way to a side, 0 or 1. While frames cross,
// each number is at most what it will have been at that moment. They remain after
// Close.
func (s *segment) Counters(to netem.Side) netem.Counters {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.toward[to].count()
}

// end lets no more frames in, drops what is on its way and removes what carried it.
func (s *segment) end() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, d := range s.toward {
		errs = append(errs, d.stop())
	}
	for _, d := range s.toward {
		d.count()
	}
	s.closed = true
	errs = append(errs, s.undo.run())
	for _, d := range s.toward {
		d.settle()
	}
	return errors.Join(errs...)
}
