package spec

import (
	"cmp"
	"net/netip"
	"reflect"
	"strings"

	"testbed/topo"

	"github.com/goccy/go-yaml/ast"
)

type rawNAT struct {
	mark
	Outside *ref `json:"outside" jsonschema:"required" doc:"the neighbour beyond which the inside is unknown"`
	rawTranslation
}

func (*rawNAT) noun() string { return "a nat" }

// rawSetNAT is what a running NAT does from now on.
type rawSetNAT struct {
	mark
	Outside *ref `json:"outside" doc:"its neighbour as before"`
	rawTranslation
}

func (*rawSetNAT) noun() string { return "a change of a nat" }

// rawTranslation is what a NAT does, wherever it is.
type rawTranslation struct {
	Mapping   *dependence      `json:"mapping" doc:"for which destinations an inside endpoint keeps its outside port (RFC 4787, 4.1); default Linux's own, or endpoint-independent beside filtering, ports or hairpin"`
	Filtering *dependence      `json:"filtering" doc:"who may send to an outside port (RFC 4787, 5): endpoint-independent, address-dependent or address-and-port-dependent, the default"`
	Ports     *rawPool         `json:"ports" doc:"the outside ports that mappings are made from, such as 40000-40099; default 1024-65535"`
	Hairpin   *truth           `json:"hairpin" doc:"whether the inside reaches the inside by outside addresses; default false"`
	Forward   []*rawForward    `json:"forward" doc:"ports of the outside address that lead to inside nodes"`
	Static    []*rawStatic     `json:"static" doc:"outside addresses that lead to an inside node each, and that it is seen from"`
	Timeouts  entries[seconds] `json:"timeouts" doc:"how long idle mappings live, by state, such as tcp_established: 5s"`
}

type rawForward struct {
	mark
	Port *port      `json:"port" jsonschema:"required" doc:"the port of the outside address, TCP and UDP"`
	To   *forwardTo `json:"to" jsonschema:"required" doc:"the inside node, with :port where the port differs"`
}

func (*rawForward) noun() string { return "a port forwarding" }

type rawStatic struct {
	mark
	Address *address `json:"address" jsonschema:"required" doc:"one of the node's own addresses toward outside, but for its first"`
	To      *ref     `json:"to" jsonschema:"required" doc:"the inside node"`
}

func (*rawStatic) noun() string { return "a static translation" }

// rawPool is a range of ports, or a map with it.
type rawPool struct {
	mark
	Range    *ports `json:"range" jsonschema:"required" doc:"the outside ports, such as 40000-40099"`
	Preserve *truth `json:"preserve" doc:"whether an inside port is kept where it is in the range and free; default true"`
}

func (*rawPool) noun() string { return "ports" }

func (p *rawPool) read(d *decoder, key string, n ast.Node) bool {
	if _, ok := mapping(n); ok {
		return d.structure(key, n, reflect.ValueOf(p).Elem())
	}
	one := new(ports)
	if !d.leaf(key, n, one) {
		return false
	}
	p.set(one.mark)
	p.Range = one
	return true
}

type (
	dependence struct{ value[topo.Dependence] }
	address    struct{ value[netip.Addr] }
	forgotten  struct{ value[string] }
)

// forgottens are what a set makes a node forget.
var forgottens = []string{"nat"}

func (v *forgotten) parse(s scalar) (c *complaint) { v.V, c = pick(s, forgottens); return c }

func (v *dependence) parse(s scalar) (c *complaint) {
	if v.V, c = pick(s, topo.Dependences); c != nil {
		c.near(cmp.Or(formerNames[strings.ToLower(s.text)], c.nearest))
	}
	return c
}

// formerNames are RFC 3489's, section 5, for NATs as a whole, which RFC 4787 replaced by
// a word for each of mapping and filtering. They are only suggested where they mean one
// thing for both keys.
var formerNames = map[string]string{
	"full-cone": string(topo.EndpointIndependent), "symmetric": string(topo.AddressAndPortDependent),
}

func (v *address) parse(s scalar) *complaint {
	a, err := netip.ParseAddr(s.text)
	if err != nil || a.Zone() != "" || a.Is4In6() {
		return bad("%s is no address", quote(s.text)).want("an address such as 203.0.113.10 or 2001:db8::10")
	}
	v.V = a
	return nil
}
