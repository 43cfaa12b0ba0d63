package build

// Sysctl reads a node's kernel parameter, with the errors of rtnl's.
func (n *Network) Sysctl(node int, name string) (string, error) {
	return n.Nodes[node].rtnl.Sysctl(name)
}
