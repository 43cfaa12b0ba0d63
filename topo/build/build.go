// Package build makes a plan real: a network namespace for each node, the ether
// between them, and everything in them that a plan or a topology names.
package build

import (
	"errors"
	"fmt"
	"slices"

	"testbed/netem"
	"testbed/topo"
	"testbed/topo/netns"
	"testbed/topo/nft"
	"testbed/topo/rtnl"
)

// Options for Up.
type Options struct {
	// Links says which medium carries the links; empty stands for netem.Auto.
	Links netem.MediumName
	// Repeats says that the kernel's random numbers are the same in every run.
	Repeats bool
	// Later are the impairments that SetLink will be asked for, so that Auto takes a
	// medium that can do them.
	Later []netem.Impairment
	// OnDrop is told of every frame that a link dropped, if the medium tells of them;
	// see Network.Tells. It is called from the medium's own thread and must return at
	// once. May be nil.
	OnDrop func(netem.Drop)
	// OnFault is told of every frame that a fault befell otherwise, as OnDrop is. May
	// be nil.
	OnFault func(netem.Strike)
	// OnEther is told of the ether as soon as it exists. What it begins there may
	// go on beside the building: the function that it returns waits for its end,
	// and is called before the ether is given up, also where building fails. Both
	// may be nil.
	OnEther func(*netns.NS) (wait func() error)
	// BeforeTraffic is called when all interfaces exist and none of the nodes'
	// is up yet: the moment to begin a capture that misses nothing. May be nil.
	BeforeTraffic func(*Network) error
}

// Network is a plan made real. Its methods are not safe for concurrent use, but
// for those of its nodes' namespaces.
type Network struct {
	// Plan is what the network is now; a change replaces it.
	Plan *topo.Plan
	// Ether is the namespace of the links' inner ends.
	Ether *netns.NS
	// Nodes are parallel to the plan's.
	Nodes []*Node

	ether *rtnl.Handle
	// links is the medium that carries, never Auto.
	links netem.MediumName
	// segments are parallel to the plan's links.
	segments []netem.Segment
	undo     []func() error
}

// Node is a node's namespace.
type Node struct {
	NS *netns.NS

	rtnl *rtnl.Handle
	// nft is nil until the node has had a firewall or NAT.
	nft *nft.Handle
	// rulesets are those of other tools that were loaded last.
	rulesets []topo.Ruleset
	// rules are what was applied last, in nft's syntax.
	rules string
}

// Up builds a topology. The caller closes the network; if Up fails, nothing is
// left.
func Up(t *topo.Topology, o Options) (_ *Network, err error) {
	plan, err := topo.MakePlan(t)
	if err != nil {
		return nil, fmt.Errorf("plan network: %w", err)
	}
	n := &Network{Plan: plan}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	for _, step := range []func() error{
		func() error { return n.makeNamespaces(o.OnEther) }, n.makeLinks,
		func() error { return n.carry(o) },
		func() error { return before(n, o.BeforeTraffic) },
		n.configureNodes,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func before(n *Network, f func(*Network) error) error {
	if f == nil {
		return nil
	}
	return f(n)
}

// Close takes the network down: it stops the medium, then gives up the
// namespaces. It runs every step and joins the errors.
func (n *Network) Close() error {
	var errs []error
	for len(n.undo) > 0 {
		last := n.undo[len(n.undo)-1]
		n.undo = n.undo[:len(n.undo)-1]
		errs = append(errs, last())
	}
	return errors.Join(errs...)
}

// onClose registers what Close does, last first.
func (n *Network) onClose(f func() error) { n.undo = append(n.undo, f) }

// makeNamespaces makes the ether's and every node's.
func (n *Network) makeNamespaces(onEther func(*netns.NS) func() error) (err error) {
	if n.Ether, n.ether, err = n.namespace(); err != nil {
		return fmt.Errorf("make the ether: %w", err)
	}
	if onEther != nil {
		if wait := onEther(n.Ether); wait != nil {
			n.onClose(wait)
		}
	}
	// Nothing in the ether speaks for itself.
	if err := n.ether.SetSysctls([]topo.Sysctl{
		{Name: "net.ipv6.conf.all.disable_ipv6", Value: "1", Optional: true},
		{Name: "net.ipv6.conf.default.disable_ipv6", Value: "1", Optional: true},
	}); err != nil {
		return fmt.Errorf("make the ether: %w", err)
	}
	for i := range n.Plan.Nodes {
		node := &Node{}
		if node.NS, node.rtnl, err = n.namespace(); err != nil {
			return fmt.Errorf("make node %s: %w", n.Plan.Nodes[i].Name, err)
		}
		n.Nodes = append(n.Nodes, node)
	}
	return nil
}

// namespace makes a namespace and its handle, and registers their end.
func (n *Network) namespace() (*netns.NS, *rtnl.Handle, error) {
	ns, err := netns.New()
	if err != nil {
		return nil, nil, err
	}
	n.onClose(ns.Close)
	h, err := rtnl.Open(ns)
	if err != nil {
		return nil, nil, err
	}
	n.onClose(func() error { h.Close(); return nil })
	return ns, h, nil
}

// makeLinks makes both veth pairs of every link, the nodes' ends still down. A
// node's pins are set before, since new interfaces take some of them over.
func (n *Network) makeLinks() error {
	for i, node := range n.Nodes {
		plan := &n.Plan.Nodes[i]
		if err := node.rtnl.SetSysctls(plan.Pins); err != nil {
			return fmt.Errorf("node %s: %w", plan.Name, err)
		}
		for j := range plan.Interfaces {
			f := &plan.Interfaces[j]
			l := &n.Plan.Links[f.Link]
			if err := n.ether.AddVeth(l.Ether[f.Side], node.NS, f, l.MTU); err != nil {
				return fmt.Errorf("node %s: %w", plan.Name, err)
			}
		}
	}
	return nil
}

// carry starts the medium on every link.
func (n *Network) carry(o Options) error {
	asked := slices.Clone(o.Later)
	for i := range n.Plan.Links {
		toward := n.impairments(i)
		asked = append(asked, toward[:]...)
	}
	name, err := o.choose(asked)
	if err != nil {
		return err
	}
	medium, err := n.open(name, o)
	if err != nil {
		return fmt.Errorf("begin to carry links: %w", err)
	}
	n.links = name
	n.onClose(medium.Close)
	for i := range n.Plan.Links {
		l := netem.Link{ID: i, Toward: n.impairments(i)}
		for side := range l.Ends {
			name := n.Plan.Links[i].Ether[side]
			index, err := n.ether.Index(name)
			if err != nil {
				return err
			}
			l.Ends[side] = netem.End{Interface: name, Index: index, Node: n.Plan.Topology.Links[i].Ends[side]}
		}
		s, err := medium.Carry(l)
		if err != nil {
			return fmt.Errorf("carry link %s – %s: %w", l.Ends[0].Node, l.Ends[1].Node, err)
		}
		n.segments = append(n.segments, s)
	}
	return nil
}

// Links is the medium that carries the links, never netem.Auto.
func (n *Network) Links() netem.MediumName { return n.links }

// Tells tells whether the medium tells of each frame that it drops. Of one that
// does not, Counters are all there is to know.
func (n *Network) Tells() bool { return n.links == netem.Wire }

// Counters tells what has crossed a link on the way to a side so far.
func (n *Network) Counters(link int, to netem.Side) netem.Counters {
	return n.segments[link].Counters(to)
}

// impairments are what the medium does to a link: nothing passes one that is
// down.
func (n *Network) impairments(link int) [2]netem.Impairment {
	toward := n.Plan.Links[link].Toward
	for side := range toward {
		toward[side].Down = toward[side].Down || n.Plan.Links[link].Down
	}
	return toward
}

// Ends tells which end of which link an ifindex in the ether is.
func (n *Network) Ends() (map[int]netem.Link, error) {
	ends := map[int]netem.Link{}
	for i := range n.Plan.Links {
		for side, name := range n.Plan.Links[i].Ether {
			index, err := n.ether.Index(name)
			if err != nil {
				return nil, err
			}
			l := netem.Link{ID: i}
			l.Ends[side].Index = index
			ends[index] = l
		}
	}
	return ends, nil
}
