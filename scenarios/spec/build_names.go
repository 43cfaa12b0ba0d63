package spec

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"testbed/topo"
)

// nxdomain is the word for a name that does not exist.
const nxdomain = "nxdomain"

func (b *builder) resolver(n *topo.Node, raw *rawResolver) *topo.Resolver {
	if raw == nil {
		return nil
	}
	r := &topo.Resolver{}
	for _, e := range raw.Records.list {
		if c := domainName(e.key); c != nil {
			b.add(e.at, c)
			continue
		}
		if e.value != nil {
			r.Records = append(r.Records, b.record(e.key, e.value))
		}
	}
	for _, e := range raw.Delay.list {
		t := topo.RecordType(e.key)
		if !slices.Contains(topo.RecordTypes, t) {
			b.add(e.at, bad("delay: %s is no type of question", quote(e.key)).want(join(topo.RecordTypes)).near(nearest(e.key, topo.RecordTypes)))
		} else if e.value != nil {
			if r.Delay == nil {
				r.Delay = map[topo.RecordType]time.Duration{}
			}
			r.Delay[t] = e.value.V
		}
	}
	for _, t := range raw.Silent {
		r.Silent = append(r.Silent, t.V)
	}
	if i := slices.IndexFunc(n.Listen, func(l topo.Listener) bool { return l.Port == 53 }); i >= 0 {
		b.add(raw.mark, bad("resolver on %q, which has a listener on port 53", n.Name).want("one of them: a resolver has UDP and TCP port 53"))
	}
	return r
}

// record is what a name stands for.
func (b *builder) record(name string, raw *rawRecord) topo.Record {
	r := topo.Record{Name: strings.ToLower(name)}
	for _, t := range raw.list {
		switch {
		case t.V == nxdomain && len(raw.list) == 1:
			r.Missing = true
		case t.V == nxdomain:
			b.add(t.mark, bad("%s: a name that does not exist stands for nothing else", name).want(name+": "+nxdomain))
		case slices.Contains(b.names, t.V):
			r.Targets = append(r.Targets, topo.RecordTarget{Node: t.V})
		default:
			a, err := netip.ParseAddr(t.V)
			if err != nil || a.Zone() != "" || a.Is4In6() {
				if len(b.names) > 0 {
					c := bad("%s: %s is neither a node nor an address", name, quote(t.V)).near(nearest(t.V, append(slices.Clone(b.names), nxdomain)))
					b.add(t.mark, c.want(several("an address, "+nxdomain+" alone, or one of the nodes", b.names)))
				}
				continue
			}
			r.Targets = append(r.Targets, topo.RecordTarget{Address: a})
		}
	}
	return r
}

func (b *builder) stub(raw *rawStub) (s topo.Stub) {
	if raw == nil {
		return s
	}
	if len(raw.Ask) > maxServers {
		b.add(raw.Ask[maxServers].mark, bad("more than %d nameservers", maxServers).want(fmt.Sprintf("at most %d, as in resolv.conf(5)", maxServers)))
	}
	for _, r := range raw.Ask {
		if a, err := netip.ParseAddr(r.V); err == nil && a.Zone() == "" && !a.Is4In6() {
			s.Servers = append(s.Servers, a.String())
		} else if b.known("nameservers", r) {
			s.Servers = append(s.Servers, r.V)
		}
	}
	if len(raw.Ask) == 0 && !raw.partial && !b.lost["ask"] && !b.lost["nameservers"] {
		b.add(raw.mark, bad("nameservers: nobody is asked").want("nodes or addresses, such as [dns]"))
	}
	if raw.Timeout != nil {
		s.Timeout = raw.Timeout.V
	}
	if raw.Attempts != nil {
		if s.Attempts = raw.Attempts.V; s.Attempts > maxResolveAttempts {
			b.add(raw.Attempts.mark, bad("attempts: %d is more than resolv.conf(5) allows", s.Attempts).want("1 to 5"))
		}
	}
	return s
}

// learn notes the names that a step gives a node's resolver.
func (b *builder) learn(node string, partial bool, r *topo.Resolver) {
	b.partialRecords = b.partialRecords || partial
	if b.learned == nil {
		b.learned = map[string][]string{}
	}
	for _, x := range r.Records {
		b.learned[node] = append(b.learned[node], x.Name)
	}
}

// resolvable notes a name that nobody can resolve where it is used: the node asks no
// resolver, or all that it asks are the scenario's own and none has the name.
func (b *builder) resolvable(key string, at mark, from, name string) {
	i := b.sc.Topology.NodeIndex(from)
	if i < 0 {
		return
	}
	servers := b.sc.Topology.Nodes[i].Stub.Servers
	if len(servers) == 0 {
		b.add(at, bad("%s: %q asks no resolver for %s", key, from, quote(name)).want("nameservers: [...] of that node, or the name of a node or an address"))
		return
	}
	var known []string
	for _, s := range servers {
		n := b.sc.Topology.NodeIndex(s)
		if n < 0 || b.sc.Topology.Nodes[n].Resolver == nil && b.learned[s] == nil {
			return
		}
		known = append(known, b.learned[s]...)
		if r := b.sc.Topology.Nodes[n].Resolver; r != nil {
			for _, x := range r.Records {
				known = append(known, x.Name)
			}
		}
	}
	if name = strings.ToLower(name); !slices.Contains(known, name) && !b.partialRecords {
		c := bad("%s: no resolver that %q asks has a record of %s", key, from, quote(name))
		b.add(at, c.want(several("the names in records, where "+nxdomain+" stands for one that does not exist", known)).near(nearest(name, known)))
	}
}

// minAttemptDelay is RFC 8305's Minimum Connection Attempt Delay.
const minAttemptDelay = 10 * time.Millisecond

// eyeballs are a step's delays of Happy Eyeballs.
func (b *builder) eyeballs(r *rawEyeballs, f Family) (e Eyeballs) {
	if f != HappyEyeballs {
		b.unraced("attempt_delay", r.AttemptDelay)
		b.unraced("resolution_delay", r.ResolutionDelay)
	}
	if r.AttemptDelay != nil {
		if e.AttemptDelay = r.AttemptDelay.V; e.AttemptDelay < minAttemptDelay {
			b.add(r.AttemptDelay.mark, bad("attempt_delay: %s is too short", e.AttemptDelay).want("10ms or more (RFC 8305, section 5)"))
		}
	}
	if r.ResolutionDelay != nil {
		e.ResolutionDelay = &r.ResolutionDelay.V
	}
	return e
}

// unraced notes a delay of Happy Eyeballs in a step that knows none.
func (b *builder) unraced(key string, d *duration) {
	if d != nil {
		b.add(d.mark, bad("%s: only Happy Eyeballs waits for that", key).want("family: happy-eyeballs beside it"))
	}
}

// expectNames are the expectations of how a name became a connection.
func (b *builder) expectNames(e *Expect, r *rawExpect) {
	e.ResolveTime = expected(r.ResolveTime)
	for _, q := range r.Queries.list {
		t := topo.RecordType(q.key)
		if !slices.Contains(topo.RecordTypes, t) {
			b.add(q.at, bad("queries: %s is no type of question", quote(q.key)).want(join(topo.RecordTypes)).near(nearest(q.key, topo.RecordTypes)))
		} else if q.value != nil {
			if e.Queries == nil {
				e.Queries = map[topo.RecordType]Count{}
			}
			e.Queries[t] = q.value.V
		}
	}
	if r.ConnectedTo != nil {
		e.ConnectedTo = b.nodeOrAddress("connected_to", r.ConnectedTo)
	}
	for _, a := range r.Attempts {
		x := AttemptExpect{Elapsed: expected(a.Elapsed)}
		if a.To != nil {
			x.To = b.nodeOrAddress("to", a.To)
		}
		if a.Family != nil {
			x.Family = a.Family.V
		}
		if a.Outcome != nil {
			x.Outcome = a.Outcome.V
		}
		if a.At != nil {
			x.At = &Duration{Term: a.At.V, Text: a.At.V.Text}
		}
		e.Attempts = append(e.Attempts, x)
	}
}

// nodeOrAddress is the name of a node that there is, or an address.
func (b *builder) nodeOrAddress(key string, r *ref) string {
	if a, err := netip.ParseAddr(r.V); err == nil && a.Zone() == "" && !a.Is4In6() {
		return a.String()
	}
	b.known(key, r)
	return r.V
}
