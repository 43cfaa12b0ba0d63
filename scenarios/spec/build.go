package spec

import (
	"fmt"
	"slices"
	"strings"

	"testbed/topo"
)

// What a scenario may have.
const (
	maxNodes = 1000
	maxLinks = 10_000
	maxSteps = 10_000
)

// builder turns the raw file into a Scenario and checks what spans several
// keys.
type builder struct {
	*decoder
	sc *Scenario
	// names are the nodes', in order.
	names []string
	// linked is true when every link was read, so that who is not a neighbour
	// is known.
	linked bool
	// rules are the firewall rules that a node had so far, by node.
	rules map[string]map[string]bool
	// faulty are the names of the faults that a link had so far, by its ends in
	// order.
	faulty map[[2]string]map[string]bool
	// open are the connections that are kept open, by name; the value is the
	// line of the step that opened it.
	open map[string]int
	// closed are those that were open before, half those whose own side is closed.
	closed, half map[string]int
	// links is the state of the links as the steps change them.
	links []topo.Link
	// partialRecords is true when a record of a resolver was refused, so that not all
	// of its names are known.
	partialRecords bool
	// learned are the names that steps have given resolvers so far, by node.
	learned map[string][]string
	// vague are the links, by their ends, of which a value was refused, so that
	// what they are is not known.
	vague map[[2]string]bool
	// unsure is true when a change of a link was refused, so that not all faults are
	// known.
	unsure bool
}

func (d *decoder) build(raw *rawScenario) *Scenario {
	b := &builder{
		decoder: d, sc: &Scenario{File: d.file}, rules: map[string]map[string]bool{},
		open: map[string]int{}, closed: map[string]int{}, half: map[string]int{}, vague: map[[2]string]bool{},
	}
	b.head(raw)
	b.declare(raw)
	b.sc.Topology.Links = b.joinAll(raw.Links)
	b.linked = len(b.sc.Topology.Links) == len(raw.Links) && len(b.names) > 0 && !b.lost["links"]
	for i, e := range raw.Nodes.list {
		if e.value != nil && i < maxNodes {
			b.partialRecords = b.partialRecords || e.value.Resolver != nil && e.value.Resolver.partial
			b.node(&b.sc.Topology.Nodes[i], e.value)
		}
	}
	b.uniqueAddresses(raw)
	b.mutations(raw.Mutations)
	b.links = slices.Clone(b.sc.Topology.Links)
	b.steps(raw)
	b.silence()
	return b.sc
}

func (b *builder) head(raw *rawScenario) {
	b.sc.Topology.Seed = 1
	if raw.Name != nil {
		b.sc.Name = raw.Name.V
	}
	if raw.Summary != nil {
		b.sc.Summary = strings.TrimSpace(raw.Summary.V)
	}
	if raw.Clock != nil {
		b.sc.Clock = raw.Clock.V
	}
	if raw.Seed != nil {
		b.sc.Topology.Seed = raw.Seed.V
	}
	if raw.Repeat != nil {
		b.sc.Repeat = raw.Repeat.V
		if cells := b.combined(); cells <= maxCells && cells*b.sc.Repeat > MaxRuns {
			b.add(raw.Repeat.mark, bad("repeat: %d times %d combinations of values are more than %d runs", b.sc.Repeat, cells, MaxRuns).
				want(fmt.Sprintf("at most repeat: %d", MaxRuns/cells)))
		}
	}
	if raw.Kernels != nil {
		b.sc.Kernels = &raw.Kernels.V
	}
	for _, t := range raw.Tags {
		if slices.Contains(b.sc.Tags, t.V) {
			b.add(t.mark, bad("the tag %q again", t.V).want("each tag once"))
		}
		b.sc.Tags = append(b.sc.Tags, t.V)
	}
}

// declare makes the nodes known by name and role.
func (b *builder) declare(raw *rawScenario) {
	if len(raw.Nodes.list) > maxNodes {
		b.add(raw.Nodes.list[maxNodes].at, bad("more than %d nodes", maxNodes).want("a smaller network"))
	}
	if raw.Nodes.line != 0 && len(raw.Nodes.list) == 0 && !raw.Nodes.partial {
		b.add(raw.Nodes.mark, bad("a scenario needs at least one node").want("nodes: {client: {}, server: {}}"))
	}
	folded := map[string]string{}
	for i, e := range raw.Nodes.list {
		if i == maxNodes {
			break
		}
		if c := nodeName(e.key); c != nil {
			b.add(e.at, c)
		} else if other, dup := folded[strings.ToLower(e.key)]; dup {
			b.add(e.at, bad("the nodes %q and %q have one name: host names ignore case", other, e.key).want("names that differ in more than case"))
		}
		folded[strings.ToLower(e.key)] = e.key
		n := topo.Node{Name: e.key, Role: topo.Host}
		if e.value != nil && e.value.Role != nil {
			n.Role = e.value.Role.V
		}
		b.names = append(b.names, e.key)
		b.sc.Topology.Nodes = append(b.sc.Topology.Nodes, n)
	}
}

// known notes that a reference names no node. A nil reference was refused or
// is absent, and is not known without a note.
func (b *builder) known(key string, r *ref) bool {
	if r == nil || r.V == "" || len(b.names) == 0 {
		return false
	}
	if slices.Contains(b.names, r.V) {
		return true
	}
	if b.count >= maxProblems {
		b.count++
		return false
	}
	b.add(r.mark, b.noNode(key, r.V))
	return false
}

func (b *builder) noNode(key, name string) *complaint {
	return bad("%s: no node is named %s", key, quote(name)).want(several("the nodes", b.names)).near(nearest(name, b.names))
}

// neighbour notes that a reference names no neighbour of a node.
func (b *builder) neighbour(key, node string, r *ref) bool {
	if !b.known(key, r) {
		return false
	}
	return b.adjacent(key, node, r.V, r.mark)
}

func (b *builder) adjacent(key, node, other string, at mark) bool {
	if !b.linked || b.sc.Topology.LinkIndex(node, other) >= 0 {
		return true
	}
	around := b.neighbours(node)
	c := bad("%s: %q is no neighbour of %q: no link joins them", key, other, node)
	b.add(at, c.want(several("the neighbours", around)).near(nearest(other, around)))
	return false
}

func (b *builder) neighbours(node string) (around []string) {
	for _, l := range b.sc.Topology.Links {
		if side := slices.Index(l.Ends[:], node); side >= 0 {
			around = append(around, l.Ends[1-side])
		}
	}
	return around
}

// several lists names for a person, shortened when they are many.
func several(what string, names []string) string {
	const most = 20
	switch {
	case len(names) == 0:
		return what + ": there are none"
	case len(names) > most:
		return what + ": " + strings.Join(names[:most], ", ") + ", …"
	}
	return what + ": " + strings.Join(names, ", ")
}
