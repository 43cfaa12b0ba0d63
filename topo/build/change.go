package build

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"testbed/netem"
	"testbed/topo"
)

// replan replaces the topology by a changed copy of it. Addresses stay, because
// they follow from the nodes' and links' order alone.
func (n *Network) replan(change func(*topo.Topology)) error {
	t := *n.Plan.Topology
	t.Nodes, t.Links = slices.Clone(t.Nodes), slices.Clone(t.Links)
	change(&t)
	plan, err := topo.MakePlan(&t)
	if err != nil {
		return fmt.Errorf("plan change: %w", err)
	}
	n.Plan = plan
	return nil
}

// LinkState is what SetLink changes of a link.
type LinkState struct {
	Toward [2]netem.Impairment
	// MTU of both interfaces; zero means topo.DefaultMTU.
	MTU  int
	Down bool
}

// SetLink changes a link while it carries. A link that goes down takes the
// interfaces at both of its ends down, with the routes over them. One with an MTU
// below topo.MinMTUv6 takes the IPv6 addresses and routes of both ends away, and
// one that has it again gives them back.
func (n *Network) SetLink(link int, s LinkState) error {
	was, hadIPv6 := n.Plan.Links[link], n.Plan.HasIPv6(link)
	err := n.replan(func(t *topo.Topology) {
		l := &t.Links[link]
		l.Toward, l.MTU, l.Down = s.Toward, s.MTU, s.Down
	})
	if err != nil {
		return err
	}
	for side, i := range n.impairments(link) {
		if err := n.segments[link].Set(netem.Side(side), i); err != nil {
			return fmt.Errorf("change link: %w", err)
		}
	}
	for side, name := range n.Plan.Topology.Links[link].Ends {
		if err := n.changeInterface(n.Plan.Topology.NodeIndex(name), n.Plan.Interface(link, netem.Side(side)), was); err != nil {
			return fmt.Errorf("node %s: %w", name, err)
		}
	}
	hasIPv6 := n.Plan.HasIPv6(link)
	if now := n.Plan.Links[link]; !now.Down && (was.Down || hasIPv6 && !hadIPv6) {
		if err := n.restore(link); err != nil {
			return err
		}
	}
	if hasIPv6 == hadIPv6 {
		return nil
	}
	return n.follow()
}

// BeginFaults has the faults of all links count, and measure time, from now on.
func (n *Network) BeginFaults() error {
	for link, segment := range n.segments {
		for side, i := range n.impairments(link) {
			if i.Faults == nil {
				continue
			}
			without := i
			without.Faults = nil
			if err := errors.Join(segment.Set(netem.Side(side), without), segment.Set(netem.Side(side), i)); err != nil {
				return fmt.Errorf("begin faults: %w", err)
			}
		}
	}
	return nil
}

// follow makes every node follow a plan whose routes changed everywhere.
func (n *Network) follow() error {
	for i := range n.Nodes {
		if err := errors.Join(n.applyRoutes(i), n.renewRules(i)); err != nil {
			return fmt.Errorf("node %s: %w", n.Plan.Nodes[i].Name, err)
		}
	}
	return nil
}

// changeInterface makes one end follow its link's MTU and state.
func (n *Network) changeInterface(i int, f *topo.Interface, was topo.PlanLink) error {
	now := n.Plan.Links[f.Link]
	if was.MTU != now.MTU {
		if err := n.Nodes[i].rtnl.SetMTU(f.Name, now.MTU); err != nil {
			return err
		}
	}
	if was.Down == now.Down {
		return nil
	}
	return n.Nodes[i].rtnl.SetUp(f.Name, !now.Down)
}

// restore gives both ends of a link what they lost when it went down, or when its
// MTU was too small for IPv6. It waits until they carry, because the kernel restores IPv6
// addresses only then.
func (n *Network) restore(link int) error {
	if err := n.ether.AwaitUp(n.Plan.Links[link].Ether[:]...); err != nil {
		return err
	}
	for side, name := range n.Plan.Topology.Links[link].Ends {
		i, f := n.Plan.Topology.NodeIndex(name), n.Plan.Interface(link, netem.Side(side))
		for _, step := range []func() error{
			func() error { return n.Nodes[i].rtnl.AwaitUp(f.Name) },
			func() error { return n.setInterfaceSysctls(i, f) },
			func() error { return n.addAddresses(i, f) },
			func() error { return n.awaitLocal(i, f) },
			func() error { return n.Nodes[i].rtnl.AddNeighbours(f) },
			func() error { return n.applyRoutes(i) },
		} {
			if err := step(); err != nil {
				return fmt.Errorf("node %s: %w", name, err)
			}
		}
	}
	return nil
}

// setInterfaceSysctls sets a node's parameters of one interface: those of its IPv6
// begin anew with it.
func (n *Network) setInterfaceSysctls(i int, f *topo.Interface) error {
	if !n.Plan.HasIPv6(f.Link) {
		return nil
	}
	plan := &n.Plan.Nodes[i]
	return n.Nodes[i].rtnl.SetSysctls(slices.DeleteFunc(slices.Concat(plan.InterfacePins, plan.Sysctls), func(s topo.Sysctl) bool {
		return !strings.Contains(s.Name, "."+f.Name+".")
	}))
}

// SetFirewall replaces a node's rules. Their counters begin again at zero.
func (n *Network) SetFirewall(node int, rules []topo.Rule) error {
	if err := n.replan(func(t *topo.Topology) { t.Nodes[node].Firewall = rules }); err != nil {
		return err
	}
	if err := n.applyRules(node); err != nil {
		return err
	}
	return n.Nodes[node].rtnl.SetSysctls(n.Plan.Nodes[node].Sysctls)
}

// SetRulesets replaces a node's rulesets of the same tools; an empty text removes
// one. The tables of all of them are made anew, and the counters of the node's own
// rules begin again at zero. The errors are those of ruleset.Load.
func (n *Network) SetRulesets(node int, list []topo.Ruleset) error {
	err := n.replan(func(t *topo.Topology) {
		t.Nodes[node].Rulesets = topo.WithRulesets(t.Nodes[node].Rulesets, list)
	})
	if err != nil {
		return err
	}
	return n.applyRules(node)
}

// SetFlows gives a node's connection tracking room for so many flows; those that
// it knows live on. The counters of the node's rules begin again at zero.
func (n *Network) SetFlows(node int, most uint32) error {
	if err := n.replan(func(t *topo.Topology) { t.Nodes[node].Flows = most }); err != nil {
		return err
	}
	return n.applyRules(node)
}

// SetSysctls sets kernel parameters of a node; those not named stay.
func (n *Network) SetSysctls(node int, list []topo.Sysctl) error {
	err := n.replan(func(t *topo.Topology) {
		t.Nodes[node].Sysctls = append(slices.Clone(t.Nodes[node].Sysctls), list...)
	})
	if err != nil {
		return err
	}
	if err := n.Nodes[node].rtnl.SetSysctls(list); err != nil {
		return err
	}
	return n.applyRoutes(node)
}

// SetResolver replaces what a node's resolver knows; it is for the caller to serve it.
func (n *Network) SetResolver(node int, r topo.Resolver) error {
	return n.replan(func(t *topo.Topology) { t.Nodes[node].Resolver = &r })
}

// SetRoutes replaces the routes that a node writes out.
func (n *Network) SetRoutes(node int, routes []topo.Route) error {
	if err := n.replan(func(t *topo.Topology) { t.Nodes[node].Routes = routes }); err != nil {
		return err
	}
	return n.applyRoutes(node)
}
