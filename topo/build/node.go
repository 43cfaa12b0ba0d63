package build

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"testbed/observe"
	"testbed/topo"
	"testbed/topo/nft"
	"testbed/topo/rtnl"
	"testbed/topo/ruleset"
)

// configureNodes brings every node up as planned. What nodes have that a tool or the
// kernel refuses is told of all of them at once.
func (n *Network) configureNodes() error {
	var refused []error
	for i := range n.Nodes {
		err := n.configure(i)
		if err == nil {
			continue
		}
		refused = append(refused, fmt.Errorf("node %s: %w", n.Plan.Nodes[i].Name, err))
		var value *rtnl.SysctlValue
		if !ruleset.IsInvalid(err) && !errors.As(err, &value) {
			break
		}
	}
	if len(refused) > 0 {
		return errors.Join(refused...)
	}
	var carrying []string
	for _, l := range n.Plan.Links {
		if !l.Down {
			carrying = append(carrying, l.Ether[:]...)
		}
	}
	if err := n.ether.AwaitUp(carrying...); err != nil {
		return err
	}
	for i := range n.Nodes {
		for j := range n.Plan.Nodes[i].Interfaces {
			if err := n.awaitLocal(i, &n.Plan.Nodes[i].Interfaces[j]); err != nil {
				return err
			}
		}
	}
	return nil
}

// awaitLocal waits until a node takes packets to an interface's addresses.
func (n *Network) awaitLocal(i int, f *topo.Interface) error {
	if n.linkDown(f.Link) {
		return nil
	}
	for _, a := range n.Plan.Usable(f) {
		if err := n.Nodes[i].rtnl.AwaitLocal(a.Addr()); err != nil {
			return fmt.Errorf("node %s: %w", n.Plan.Nodes[i].Name, err)
		}
	}
	return nil
}

// configure brings one node up: loopback, interfaces, kernel parameters,
// firewall, then routes.
func (n *Network) configure(i int) error {
	node, plan := n.Nodes[i], &n.Plan.Nodes[i]
	if err := node.rtnl.SetUp("lo", true); err != nil {
		return err
	}
	var names []string
	for j := range plan.Interfaces {
		names = append(names, plan.Interfaces[j].Name)
	}
	if err := node.rtnl.DisableOffloads(names...); err != nil {
		return err
	}
	for j := range plan.Interfaces {
		if err := n.addAddresses(i, &plan.Interfaces[j]); err != nil {
			return err
		}
	}
	if err := n.applyRules(i); err != nil {
		return err
	}
	for j := range plan.Interfaces {
		if !n.linkDown(plan.Interfaces[j].Link) {
			if err := errors.Join(node.rtnl.SetUp(plan.Interfaces[j].Name, true), node.rtnl.AddNeighbours(&plan.Interfaces[j])); err != nil {
				return err
			}
		}
	}
	if err := node.rtnl.SetSysctls(slices.Concat(plan.InterfacePins, plan.Sysctls)); err != nil {
		return err
	}
	return n.applyRoutes(i)
}

// addAddresses gives an interface the addresses that it can have.
func (n *Network) addAddresses(i int, f *topo.Interface) error {
	usable := *f
	usable.Addresses = n.Plan.Usable(f)
	return n.Nodes[i].rtnl.AddAddresses(&usable)
}

func (n *Network) linkDown(link int) bool { return n.Plan.Links[link].Down }

func (n *Network) applyRoutes(i int) error {
	plan := &n.Plan.Nodes[i]
	return n.Nodes[i].rtnl.ReplaceRoutes(plan, n.linkDown, plan.CongestionControl)
}

// applyRules replaces a node's firewall and NAT rules by its topology's, after its
// rulesets where those have changed: to load them removes every table.
func (n *Network) applyRules(i int) error {
	node, described := n.Nodes[i], &n.Plan.Topology.Nodes[i]
	if !slices.Equal(described.Rulesets, node.rulesets) {
		if err := ruleset.Load(node.NS, described.Rulesets); err != nil {
			return err
		}
		node.rulesets = described.Rulesets
	}
	if node.nft == nil {
		if len(described.Firewall) == 0 && described.NAT == nil && described.Flows == 0 {
			return nil
		}
		h, err := nft.Open(node.NS)
		if err != nil {
			return err
		}
		node.nft = h
		n.onClose(h.Close)
	}
	rules, err := nft.Compile(described, n.ruleNames(i))
	if err != nil {
		return err
	}
	node.rules = rules.String()
	return node.nft.Apply(rules)
}

// renewRules applies a node's rules where names in them have come to mean
// something else. Others keep their counters.
func (n *Network) renewRules(i int) error {
	node := n.Nodes[i]
	if node.nft == nil {
		return nil
	}
	rules, err := nft.Compile(&n.Plan.Topology.Nodes[i], n.ruleNames(i))
	if err != nil || rules.String() == node.rules {
		return err
	}
	return n.applyRules(i)
}

// ruleNames is what the names in a node's rules stand for.
func (n *Network) ruleNames(i int) nft.Names {
	names := nft.Names{
		Interface: map[string]string{},
		Addresses: map[string][]netip.Addr{},
		Own:       map[string][]netip.Prefix{},
	}
	plan := &n.Plan.Nodes[i]
	for _, f := range plan.Interfaces {
		names.Interface[f.Peer] = f.Name
		names.Own[f.Peer] = f.Addresses
		if nat := n.Plan.Topology.Nodes[i].NAT; nat != nil && f.Peer != nat.Outside {
			names.Inside = append(names.Inside, masked(f.Addresses)...)
		}
	}
	if nat := n.Plan.Topology.Nodes[i].NAT; nat != nil {
		for _, r := range plan.Routes {
			if r.Kind == topo.Unicast && plan.Interfaces[r.Interface].Peer != nat.Outside {
				names.Inside = append(names.Inside, r.To)
			}
		}
	}
	for j := range n.Plan.Nodes {
		names.Addresses[n.Plan.Nodes[j].Name] = n.addressesFrom(i, j)
	}
	return names
}

// addressesFrom are all addresses of a node, those that are nearest to another
// node first.
func (n *Network) addressesFrom(from, node int) (all []netip.Addr) {
	for _, v4 := range []bool{true, false} {
		if a := n.Plan.Resolve(from, node, v4); a.IsValid() {
			all = append(all, a)
		}
	}
	for _, f := range n.Plan.Nodes[node].Interfaces {
		for _, a := range f.Addresses {
			if !slices.Contains(all, a.Addr()) {
				all = append(all, a.Addr())
			}
		}
	}
	return all
}

func masked(prefixes []netip.Prefix) []netip.Prefix {
	out := slices.Clone(prefixes)
	for i := range out {
		out[i] = out[i].Masked()
	}
	return out
}

// Rules reads how often every firewall rule of every node has matched.
func (n *Network) Rules() ([]observe.RuleCount, error) {
	var all []observe.RuleCount
	for i, node := range n.Nodes {
		if node.nft == nil {
			continue
		}
		counts, err := node.nft.Counters()
		if err != nil {
			return nil, fmt.Errorf("node %s: %w", n.Plan.Nodes[i].Name, err)
		}
		for _, c := range counts {
			all = append(all, observe.RuleCount{Node: n.Plan.Nodes[i].Name, Rule: c.Rule, Hook: n.hook(i, c.Rule), Action: c.Action, Packets: c.Packets, Met: c.Met})
		}
	}
	return all, nil
}

// hook is where a node's rule applies; a NAT's own rules are on the forward hook.
func (n *Network) hook(i int, rule string) topo.Hook {
	for _, r := range n.Plan.Topology.Nodes[i].Firewall {
		if r.Name == rule {
			return r.Hook
		}
	}
	return topo.Forward
}
