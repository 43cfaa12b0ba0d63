package topo

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Resolver is a DNS server of a node (RFC 1035), on UDP and TCP port 53 of each of
// its addresses.
type Resolver struct {
	Records []Record
	// Delay is how much later than at once it answers questions of a type, Silent
	// are the types of those that it never answers.
	Delay  map[RecordType]time.Duration
	Silent []RecordType
}

// RecordType is the type of a DNS question.
type RecordType string

// The types of addresses (RFC 1035, RFC 3596).
const (
	A    RecordType = "A"
	AAAA RecordType = "AAAA"
)

// RecordTypes lists the types.
var RecordTypes = []RecordType{A, AAAA}

// Record is what a resolver knows of a name.
type Record struct {
	// Name is in lower case and has a dot, none at its end.
	Name string
	// Targets are what it stands for, in the order of answers; a name without any
	// exists and has no address.
	Targets []RecordTarget
	// Missing says that the name does not exist: NXDOMAIN.
	Missing bool
}

// RecordTarget is a node, which stands for its addresses nearest to who asks, or an
// address.
type RecordTarget struct {
	Node    string
	Address netip.Addr
}

// Stub is how a node's programs ask for names: resolv.conf(5).
type Stub struct {
	// Servers are nodes or addresses, asked in order; without any nobody is.
	Servers []string
	// Timeout is how long one of them has to answer, in whole seconds; zero means
	// 5 s. Attempts is how often each is asked; zero means 2.
	Timeout  time.Duration
	Attempts int
}

// resolv.conf(5)'s defaults, RES_TIMEOUT and RES_DFLRETRY.
const (
	defaultResolveTimeout  = 5 * time.Second
	defaultResolveAttempts = 2
)

// WithDefaults is the stub with the values that zero stands for.
func (s Stub) WithDefaults() Stub {
	if s.Timeout == 0 {
		s.Timeout = defaultResolveTimeout
	}
	if s.Attempts == 0 {
		s.Attempts = defaultResolveAttempts
	}
	return s
}

// Nameservers are the addresses that a node asks for names, in order. A node that
// is one of them is asked by IPv4 where it has such an address.
func (p *Plan) Nameservers(node int) (all []netip.Addr) {
	for _, s := range p.Topology.Nodes[node].Stub.Servers {
		a, err := netip.ParseAddr(s)
		if name := p.Topology.NodeIndex(s); name >= 0 {
			a, err = p.Resolve(node, name, true), nil
			if !a.IsValid() {
				a = p.Resolve(node, name, false)
			}
		}
		if err == nil && a.IsValid() {
			all = append(all, a)
		}
	}
	return all
}

// Record is what a node's resolver says of a name to who asks from an address: its
// addresses of one family, and whether the name exists. Nodes are near or far as
// they are to the node that has the asking address, or else to the resolver's own.
func (p *Plan) Record(resolver int, asker netip.Addr, name string, v4 bool) (addresses []netip.Addr, exists bool) {
	r := p.Topology.Nodes[resolver].Resolver
	if r == nil {
		return nil, false
	}
	i := slices.IndexFunc(r.Records, func(r Record) bool { return r.Name == strings.ToLower(name) })
	if i < 0 || r.Records[i].Missing {
		return nil, false
	}
	from := p.Owner(asker)
	if from < 0 {
		from = resolver
	}
	for _, t := range r.Records[i].Targets {
		a := t.Address
		if node := p.Topology.NodeIndex(t.Node); node >= 0 {
			a = p.Resolve(from, node, v4)
		}
		if a.IsValid() && a.Is4() == v4 {
			addresses = append(addresses, a)
		}
	}
	return addresses, true
}

// DomainNames are the names that stand for a node in all resolvers, and in those that
// they will be replaced by.
func (p *Plan) DomainNames(node int, later []*Resolver) (names []string) {
	all := slices.Clone(later)
	for i := range p.Topology.Nodes {
		if r := p.Topology.Nodes[i].Resolver; r != nil {
			all = append(all, r)
		}
	}
	for _, r := range all {
		for _, record := range r.Records {
			means := func(t RecordTarget) bool {
				return t.Node == p.Nodes[node].Name || t.Address.IsValid() && p.Owner(t.Address) == node
			}
			if slices.ContainsFunc(record.Targets, means) && !slices.Contains(names, record.Name) {
				names = append(names, record.Name)
			}
		}
	}
	return names
}
