package build

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"testbed/topo"
	"testbed/topo/sandbox"
)

// SetNAT replaces what a node's NAT does, which it must have, with the same
// outside. The counters of the node's rules begin again at zero. The flows that
// conntrack knows live on; where mapping, filtering and forwarded ports stay, so do
// the mappings.
func (n *Network) SetNAT(node int, nat topo.NAT) error {
	was := n.Plan.Topology.Nodes[node].NAT
	if was == nil || was.Outside != nat.Outside {
		return fmt.Errorf("node %s: its NAT toward %q can't become one toward %q", n.Plan.Nodes[node].Name, outsideOf(was), nat.Outside)
	}
	if err := n.replan(func(t *topo.Topology) { t.Nodes[node].NAT = &nat }); err != nil {
		return err
	}
	if err := n.applyRules(node); err != nil {
		return err
	}
	return n.Nodes[node].rtnl.SetSysctls(append(nat.TimeoutSysctls(), n.Plan.Topology.Nodes[node].Sysctls...))
}

func outsideOf(nat *topo.NAT) string {
	if nat == nil {
		return ""
	}
	return nat.Outside
}

// FlushNAT makes a node forget all flows and mappings, as a NAT does that reboots.
// Its rules are there all the while, so that nothing leaves untranslated.
// The counters of its rules begin again at zero. It returns a *sandbox.Unavailable
// where the kernel can't be told to forget flows.
func (n *Network) FlushNAT(node int) error {
	if n.Nodes[node].nft == nil {
		return nil
	}
	n.Nodes[node].nft.Forget()
	if err := n.applyRules(node); err != nil {
		return err
	}
	err := n.Nodes[node].nft.FlushFlows()
	if errors.Is(err, unix.EINVAL) {
		return &sandbox.Unavailable{
			Missing: "netlink interface to connection tracking",
			Remedy:  "A flush of a NAT takes a kernel with CONFIG_NF_CT_NETLINK (module nf_conntrack_netlink).", Err: err,
		}
	}
	if err != nil {
		return fmt.Errorf("node %s: %w", n.Plan.Nodes[node].Name, err)
	}
	return nil
}
