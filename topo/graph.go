package topo

import (
	"fmt"

	"testbed/netem"
)

// graph is a topology with its names looked up once.
type graph struct {
	index map[string]int
	// edges are each node's links, in the topology's order.
	edges  [][]edge
	router []bool
}

// edge is a node's link: far is the side of the node at the other end.
type edge struct {
	link int
	far  netem.Side
	node int
}

func newGraph(t *Topology) (*graph, error) {
	g := &graph{index: map[string]int{}, edges: make([][]edge, len(t.Nodes)), router: make([]bool, len(t.Nodes))}
	for i := range t.Nodes {
		if _, twice := g.index[t.Nodes[i].Name]; twice {
			return nil, fmt.Errorf("two nodes are named %q", t.Nodes[i].Name)
		}
		g.index[t.Nodes[i].Name] = i
		g.router[i] = t.Nodes[i].Role == Router
	}
	for i := range t.Links {
		var at [2]int
		for side, name := range t.Links[i].Ends {
			n, known := g.index[name]
			if !known {
				return nil, fmt.Errorf("link %d: no node %q", i, name)
			}
			at[side] = n
		}
		if at[0] == at[1] {
			return nil, fmt.Errorf("link %d: both ends are at %q", i, t.Links[i].Ends[0])
		}
		g.edges[at[0]] = append(g.edges[at[0]], edge{link: i, far: 1, node: at[1]})
		g.edges[at[1]] = append(g.edges[at[1]], edge{link: i, far: 0, node: at[0]})
	}
	return g, nil
}

// nodeSet is a set of nodes by their indices.
type nodeSet map[int]bool

// natInsides are, for each NAT, the nodes that it hides, itself included.
func natInsides(t *Topology, g *graph) ([]nodeSet, error) {
	var insides []nodeSet
	for n := range t.Nodes {
		nat := t.Nodes[n].NAT
		if nat == nil {
			continue
		}
		outside, known := g.index[nat.Outside]
		if !known || t.LinkIndex(t.Nodes[n].Name, nat.Outside) < 0 {
			return nil, fmt.Errorf("node %s: nat: outside %q is not a neighbour", t.Nodes[n].Name, nat.Outside)
		}
		inside := nodeSet{n: true}
		for todo := []int{n}; len(todo) > 0; todo = todo[1:] {
			for _, e := range g.edges[todo[0]] {
				if !inside[e.node] && !(todo[0] == n && e.node == outside) {
					inside[e.node] = true
					todo = append(todo, e.node)
				}
			}
		}
		if inside[outside] {
			return nil, fmt.Errorf("node %s: nat: its outside, %s, is also reached from its inside", t.Nodes[n].Name, nat.Outside)
		}
		insides = append(insides, inside)
	}
	return insides, nil
}

// hop is how a node is reached from another.
type hop struct {
	// dist is the number of links, -1 if it is not reached, 0 for the start.
	dist int
	// first and last are the links that the path begins and ends with; lastSide
	// is the reached node's side of the last.
	first, last int
	lastSide    netem.Side
}

// reach finds the shortest paths from a node to all others: fewest links, and
// the earlier link where two are as short. Only routers, and the start, pass on.
func (g *graph) reach(start int) []hop {
	hops := make([]hop, len(g.edges))
	for i := range hops {
		hops[i].dist = -1
	}
	hops[start].dist = 0
	for todo := []int{start}; len(todo) > 0; todo = todo[1:] {
		at := todo[0]
		if at != start && !g.router[at] {
			continue
		}
		for _, e := range g.edges[at] {
			if hops[e.node].dist >= 0 {
				continue
			}
			first := hops[at].first
			if at == start {
				first = e.link
			}
			hops[e.node] = hop{dist: hops[at].dist + 1, first: first, last: e.link, lastSide: e.far}
			todo = append(todo, e.node)
		}
	}
	return hops
}
