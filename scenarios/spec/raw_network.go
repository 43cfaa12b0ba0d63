package spec

import (
	"reflect"
	"strings"

	"testbed/topo"

	"github.com/goccy/go-yaml/ast"
)

// The raw types mirror a file key by key. The decoder and the JSON Schema both
// come from them: json names the key, doc describes it, jsonschema:"required"
// requires it, and a blank field's later lists what is planned.

type rawScenario struct {
	mark
	Name      *title           `json:"name" jsonschema:"required" doc:"the scenario's name: letters, digits and . _ -"`
	Summary   *prose           `json:"summary" doc:"what the scenario shows, in prose"`
	Tags      []*title         `json:"tags" doc:"words to select scenarios by"`
	Clock     *clock           `json:"clock" doc:"host or virtual: what the scenario's time passes by; default host"`
	Kernels   *kernels         `json:"kernels" doc:"the kernels that the scenario is for, such as >= 6.5 in quotes; on others it is skipped. Default all"`
	Seed      *seed            `json:"seed" doc:"drives every random choice of the testbed; default 1"`
	Matrix    *rawMatrix       `json:"matrix" doc:"parameters and the lists of their values: the scenario is run with each combination, with the values where ${name} stands"`
	Repeat    *repetitions     `json:"repeat" doc:"how many times it is run, each time in a network of its own; default 1"`
	Nodes     entries[rawNode] `json:"nodes" jsonschema:"required" doc:"the hosts and routers, by name, such as {client: {}, server: {}}"`
	Links     []*rawLink       `json:"links" doc:"the links between two nodes each"`
	Mutations []*rawSet        `json:"mutations" doc:"changes of the network, written as those of a set step, of which each must make the scenario fail"`
	Steps     stepList         `json:"steps" jsonschema:"required" doc:"what happens, in order, such as [{connect: server:80, from: client}]"`
}

func (*rawScenario) noun() string { return "a scenario" }

type rawNode struct {
	mark
	Role      *role            `json:"role" doc:"host or router; default host. Only a router forwards"`
	Listen    []*rawListener   `json:"listen" doc:"the TCP servers that run on the node"`
	Resolver  *rawResolver     `json:"resolver" doc:"the DNS server of the node, on UDP and TCP port 53"`
	Asks      *rawStub         `json:"nameservers" doc:"whom the node asks for names that are no node's: a list of nodes and addresses, or a map with ask, timeout and attempts"`
	Firewall  []*rawRule       `json:"firewall" doc:"rules, tried in order within their hook; what none matches is accepted"`
	Nftables  *script          `json:"nftables" doc:"a ruleset in nft's syntax, which nft loads"`
	Iptables  *script          `json:"iptables" doc:"rules as iptables-save prints them, which iptables-restore loads"`
	IP6tables *script          `json:"ip6tables" doc:"rules as ip6tables-save prints them, which ip6tables-restore loads"`
	NAT       *rawNAT          `json:"nat" doc:"translates the source of what leaves toward one neighbour"`
	Conntrack *rawConntrack    `json:"conntrack" doc:"the node's table of flows"`
	Sysctls   entries[setting] `json:"sysctls" doc:"kernel parameters of the node, net.* only; a name that ends in ? may be missing from the kernel"`
	Addresses *rawAddresses    `json:"addresses" doc:"addresses with prefix lengths in place of the planned ones: a list, or a map from neighbour to list"`
	Routes    []*rawRoute      `json:"routes" doc:"routes in addition to the planned ones, over which they win"`
}

func (*rawNode) noun() string { return "a node" }

type rawListener struct {
	mark
	Port    *port       `json:"port" jsonschema:"required" doc:"the TCP port, on every IPv4 and IPv6 address of the node"`
	Serve   *serve      `json:"serve" jsonschema:"required" doc:"what it does with a connection: echo, http, https, tls, banner, silent, hold, reset, close, no-accept, no-read, collect or source"`
	TLS     *tlsVersion `json:"tls" doc:"the only TLS version that an https or tls server speaks; default both"`
	Banner  *word       `json:"banner" doc:"the line that a banner server sends first; default 220 ready"`
	Backlog *natural    `json:"backlog" doc:"listen(2)'s backlog; default 1 for no-accept, else 4096"`
	Tickets *truth      `json:"tickets" doc:"true has an https or tls server issue session tickets, so that clients can resume; default false"`
	After   *timespan   `json:"after" doc:"how long after accepting a close, reset or no-read server ends the connection; default at once, and never for no-read"`
}

func (*rawListener) noun() string { return "a listener" }

type rawRule struct {
	mark
	Name   *title      `json:"name" doc:"names the rule in reports; default rule-N, by its place in the list"`
	Hook   *hook       `json:"hook" doc:"where the rule applies; default forward on a router, input on a host"`
	Match  *rawMatch   `json:"match" doc:"the conditions, all of which must hold; default every packet"`
	Action *action     `json:"action" jsonschema:"required" doc:"accept, drop, reject, clamp-mss, strip, bleach-ecn or synproxy"`
	With   *rejectWith `json:"with" doc:"how a reject answers; default port-unreachable"`

	MSS      *mss         `json:"mss" doc:"what clamp-mss lowers the MSS to; default what fits the MTU of the route"`
	Options  []*tcpOption `json:"options" doc:"what strip takes away: mss, wscale, sack, timestamps, fast_open, ecn_setup"`
	Synproxy *rawProxy    `json:"synproxy" doc:"what a synproxy announces in the server's name"`
}

func (*rawRule) noun() string { return "a firewall rule" }

type rawProxy struct {
	mark
	MSS           *mss   `json:"mss" doc:"the MSS; default 1460"`
	WindowScale   *shift `json:"wscale" doc:"the shift of the server's window, said with timestamps; default 7"`
	Timestamps    *truth `json:"timestamps" doc:"whether the server has timestamps; default false"`
	SACKPermitted *truth `json:"sack" doc:"whether it takes selective acknowledgements, said with timestamps; default true"`
}

func (*rawProxy) noun() string { return "a synproxy" }

type rawMatch struct {
	mark
	Proto       *proto   `json:"proto" doc:"tcp, udp, icmp or icmpv6"`
	Sport       *ports   `json:"sport" doc:"the source port, or a range a-b"`
	Dport       *ports   `json:"dport" doc:"the destination port, or a range a-b"`
	From        *ref     `json:"from" doc:"the source: a node's name, an address or a prefix"`
	To          *ref     `json:"to" doc:"the destination: a node's name, an address or a prefix"`
	In          *ref     `json:"in" doc:"the neighbour whose link the packet came by"`
	Out         *ref     `json:"out" doc:"the neighbour whose link the packet leaves by"`
	Flags       *flags   `json:"flags" doc:"exactly those of SYN, ACK, FIN and RST that are set, joined by hyphens"`
	State       *state   `json:"state" doc:"conntrack's state: new, established, related or invalid"`
	Nth         *natural `json:"nth" doc:"only the n-th packet that meets the other conditions, from 1"`
	Probability *percent `json:"probability" doc:"the share of packets that the kernel picks at random, more than 0%"`
	Rate        *rate    `json:"rate" doc:"while packets come no faster than this, such as 10/second or 10/second burst 20"`
}

func (*rawMatch) noun() string { return "a match" }

type rawConntrack struct {
	mark
	Max *natural `json:"max" jsonschema:"required" doc:"how many flows it holds; what would begin another one is dropped"`
}

func (*rawConntrack) noun() string { return "conntrack" }

type rawRoute struct {
	mark
	To  *ref `json:"to" jsonschema:"required" doc:"a node's name, a prefix, an address, or default for all of IPv4 and IPv6"`
	Via *ref `json:"via" jsonschema:"required" doc:"a neighbour, or blackhole, unreachable or prohibit"`
}

func (*rawRoute) noun() string { return "a route" }

type rawLink struct {
	mark
	Between *pair `json:"between" jsonschema:"required" doc:"the two nodes that it joins, such as [client, server]"`
	rawImpairment
	Toward entries[rawDirection] `json:"toward" doc:"what differs in the direction toward one end, by that end's name"`
}

func (*rawLink) noun() string { return "a link" }

type rawDirection struct {
	mark
	rawImpairment
}

func (*rawDirection) noun() string { return "a direction of a link" }

// pair is two nodes' names.
type pair struct {
	mark
	ends [2]ref
}

func (p *pair) read(d *decoder, key string, n ast.Node) bool {
	p.set(d.place(n))
	seq, ok := n.(*ast.SequenceNode)
	if !ok || len(seq.Values) != 2 {
		c := bad("%s: must be a list of two nodes, not %s", key, kindOf(n))
		if ok {
			c = bad("%s: must be a list of two nodes, not of %d", key, len(seq.Values))
		}
		d.add(p.mark, c.want(key+": [a, b]"))
		return false
	}
	first := d.leaf(key, seq.Values[0], &p.ends[0])
	return d.leaf(key, seq.Values[1], &p.ends[1]) && first
}

func (p *pair) names() [2]string { return [2]string{p.ends[0].V, p.ends[1].V} }

// rawAddresses is a list of addresses, or a map from neighbour to addresses.
type rawAddresses struct {
	mark
	list        []*prefix
	byNeighbour entries[prefixes]
}

func (a *rawAddresses) read(d *decoder, key string, n ast.Node) bool {
	a.set(d.place(n))
	if _, ok := mapping(n); ok {
		return a.byNeighbour.read(d, key, n)
	}
	return d.bind(key, n, reflect.ValueOf(&a.list).Elem())
}

// prefixes is one address or a list of them.
type prefixes struct {
	mark
	list []*prefix
}

func (p *prefixes) read(d *decoder, key string, n ast.Node) bool {
	p.set(d.place(n))
	if _, ok := n.(*ast.SequenceNode); ok {
		return d.bind(key, n, reflect.ValueOf(&p.list).Elem())
	}
	one := new(prefix)
	if !d.leaf(key, n, one) {
		return false
	}
	p.list = []*prefix{one}
	return true
}

// entries is a map in the order of the file.
type entries[T any] struct {
	mark
	list []entry[T]
}

type entry[T any] struct {
	key string
	at  mark
	// value is nil when it was refused.
	value *T
}

func (e *entries[T]) read(d *decoder, key string, n ast.Node) bool {
	values, ok := mapping(n)
	if !ok {
		d.add(d.place(n), bad("%s: must be a map, not %s", key, kindOf(n)).want(key+": {name: value, ...}"))
		return false
	}
	at, before := d.place(n), d.count
	seen := map[string]mark{}
	for _, kv := range values {
		at := d.place(kv.Key)
		name, c := keyOf(kv.Key)
		if first, dup := seen[name]; dup {
			c = bad("%s again: it is already on line %d", quote(name), first.line).want("each key once")
		}
		if c == nil && d.parametrised && strings.Contains(name, "${") {
			c = bad("%s: a parameter cannot be a part of a key", quote(name)).want("parameters in values")
		}
		if c != nil {
			d.add(at, c)
			continue
		}
		seen[name] = at
		v, x := new(T), entry[T]{key: name, at: at}
		if d.bind(name, kv.Value, reflect.ValueOf(v).Elem()) {
			x.value = v
		}
		e.list = append(e.list, x)
	}
	at.partial = d.count > before
	e.set(at)
	return true
}

// The language's words for topo's constants.
type (
	role       struct{ value[topo.Role] }
	serve      struct{ value[topo.Serve] }
	tlsVersion struct{ value[string] }
	hook       struct{ value[topo.Hook] }
	action     struct{ value[topo.Action] }
	rejectWith struct{ value[topo.RejectWith] }
	proto      struct{ value[string] }
	state      struct{ value[string] }
	tcpOption  struct{ value[topo.TCPOption] }
)

var (
	roles       = []topo.Role{topo.Host, topo.Router}
	tlsVersions = []string{"1.2", "1.3"}
	hooks       = []topo.Hook{topo.Forward, topo.Input, topo.Output}
	actions     = []topo.Action{topo.Accept, topo.DropPacket, topo.Reject, topo.ClampMSS, topo.Strip, topo.BleachECN, topo.Synproxy}
	rejections  = []topo.RejectWith{topo.TCPReset, topo.PortUnreachable, topo.HostUnreachable, topo.NetUnreachable, topo.AdminProhibited}
	protos      = []string{"tcp", "udp", "icmp", "icmpv6"}
	states      = []string{"new", "established", "related", "invalid"}
)

func (v *role) parse(s scalar) (c *complaint) {
	if s.text == "switch" {
		return notYet(`the role "switch"`).want(join(roles))
	}
	v.V, c = pick(s, roles)
	return c
}

func (v *serve) parse(s scalar) (c *complaint)      { v.V, c = pick(s, topo.Serves); return c }
func (v *hook) parse(s scalar) (c *complaint)       { v.V, c = pick(s, hooks); return c }
func (v *action) parse(s scalar) (c *complaint)     { v.V, c = pick(s, actions); return c }
func (v *rejectWith) parse(s scalar) (c *complaint) { v.V, c = pick(s, rejections); return c }
func (v *proto) parse(s scalar) (c *complaint)      { v.V, c = pick(s, protos); return c }
func (v *tcpOption) parse(s scalar) (c *complaint)  { v.V, c = pick(s, topo.TCPOptions); return c }
func (v *state) parse(s scalar) (c *complaint)      { v.V, c = pick(s, states); return c }

func (v *tlsVersion) parse(s scalar) (c *complaint) {
	if v.V, c = pick(s, tlsVersions); c == nil && s.kind != textKind {
		return bad("%s is a number without quotes", s.text).want(`"1.2", "1.3" in quotes`)
	}
	return c
}
