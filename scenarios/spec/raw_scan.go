package spec

import (
	"net/netip"
	"reflect"
	"strings"
	"time"

	"testbed/topo"

	"github.com/goccy/go-yaml/ast"
)

// What scans and floods may do.
const (
	maxScanRate  = 10_000
	maxFloodRate = 20_000
	maxRetries   = 10
	maxFlood     = maxFloodRate * 600 // in its longest time
	wantPorts    = "ports and ranges joined by commas, such as server:20-23,80,443"
	wantFlood    = "a number with its unit (" + durationUnits + "), such as 30s; 10m at most"

	maxFloodDuration = 10 * time.Minute
)

// Counters are the kernel's counters of connection requests and SYN cookies that a
// flood can be judged by (TcpExt in /proc/net/netstat, net/ipv4/proc.c).
var Counters = []string{"SyncookiesSent", "SyncookiesRecv", "SyncookiesFailed", "TCPReqQFullDoCookies", "TCPReqQFullDrop", "ListenDrops", "ListenOverflows"}

// Prefixes from which spoof: true draws. They are reserved for documentation (RFC
// 5737, RFC 9637), and no node has them.
var (
	spoofed4 = netip.MustParsePrefix("203.0.113.0/24")
	spoofed6 = netip.MustParsePrefix("3fff::/20")
)

type rawScan struct {
	mark
	Scan    *word      `json:"scan" jsonschema:"required" doc:"probes the TCP ports of a node or an address with SYNs: server:20-25,80"`
	From    *ref       `json:"from" jsonschema:"required" doc:"the node that does it"`
	Family  *family    `json:"family" doc:"ipv4 or ipv6; default ipv4"`
	Rate    *sendRate  `json:"rate" doc:"how fast SYNs are sent, at most 10000/second; default 1000/second"`
	Retries *retries   `json:"retries" doc:"how often a SYN is sent again that nothing answers; default 2"`
	Timeout *timespan  `json:"timeout" doc:"ends the scan; default none"`
	Expect  *rawExpect `json:"expect" doc:"what must be observed"`
}

func (*rawScan) noun() string { return "a scan step" }

type rawFlood struct {
	mark
	Flood      *word      `json:"flood" jsonschema:"required" doc:"sends SYNs to node:port, address:port or [IPv6 address]:port at a rate"`
	From       *ref       `json:"from" jsonschema:"required" doc:"the node that does it"`
	Family     *family    `json:"family" doc:"ipv4 or ipv6; default ipv4"`
	Rate       *sendRate  `json:"rate" doc:"how fast SYNs are sent, at most 20000/second; default 1000/second"`
	Spoof      *spoof     `json:"spoof" doc:"a prefix that the source addresses are drawn from, true for one that no node has, or false for the node's own; default false"`
	Duration   *floodTime `json:"duration" doc:"how long, at most 10m; default 1s, in the background until the scenario ends"`
	Background *truth     `json:"background" doc:"true lets the later steps run meanwhile; default false"`
	Expect     *rawExpect `json:"expect" doc:"what must be observed"`
}

func (*rawFlood) noun() string { return "a flood step" }

// portList is a list of ports and ranges, each port once.
type portList struct {
	mark
	list []*ports
}

func (l *portList) read(d *decoder, key string, n ast.Node) bool {
	l.set(d.place(n))
	if _, ok := n.(*ast.SequenceNode); !ok {
		d.add(l.mark, bad("%s: must be a list of ports, not %s", key, kindOf(n)).want(key+": [22, 80, 8000-8099], or "+key+": [] for none"))
		return false
	}
	before := d.count
	d.bind(key, n, reflect.ValueOf(&l.list).Elem())
	seen := map[uint16]bool{}
	for _, r := range l.list {
		if port, dup := again(seen, r); dup {
			d.add(r.mark, bad("%s: port %d again", key, port).want("each port once"))
		}
	}
	l.partial = d.count > before
	return !l.partial
}

// again notes the ports of a range, and finds the first that was noted before.
func again(seen map[uint16]bool, r *ports) (port uint16, dup bool) {
	for p := int(r.V.First); p <= int(r.V.Last); p++ {
		if seen[uint16(p)] {
			return uint16(p), true
		}
		seen[uint16(p)] = true
	}
	return 0, false
}

// numbers are the list's ports: nil without a list.
func (l *portList) numbers() []uint16 {
	if l == nil {
		return nil
	}
	out := []uint16{}
	for _, r := range l.list {
		for p := int(r.V.First); p <= int(r.V.Last); p++ {
			out = append(out, uint16(p))
		}
	}
	return out
}

type (
	sendRate  struct{ value[topo.Rate] } // a rate without a burst
	floodTime struct{ value[time.Duration] }
	retries   struct{ value[int] }
	spoof     struct {
		value[netip.Prefix]
		// yes is true of the word true.
		yes bool
	}
)

func (v *sendRate) parse(s scalar) *complaint {
	text, _, bursts := strings.Cut(s.text, " burst ")
	var r rate
	c := r.parse(scalar{text: text})
	switch {
	case c != nil:
		return c.want("a number of packets in a unit of time: 500/second, or /minute, /hour, /day")
	case bursts:
		return bad("packets that are sent have no burst").want(text)
	}
	v.V = r.V
	return nil
}

func (v *floodTime) parse(s scalar) *complaint {
	var t timespan
	c := t.parse(s)
	switch {
	case c == nil && t.V > maxFloodDuration:
		return bad("%s is too long", quote(s.text)).want(wantFlood)
	case c != nil && c.valid == wantDuration:
		return c.want(wantFlood)
	}
	v.V = t.V
	return c
}

func (v *retries) parse(s scalar) (c *complaint) {
	v.V, c = between(s, 0, maxRetries, "a number from 0 to 10")
	return c
}

func (v *spoof) parse(s scalar) *complaint {
	const valid = "a prefix such as 203.0.113.0/24, true or false"
	if s.kind == boolKind {
		v.yes = strings.EqualFold(s.text, "true")
		return nil
	}
	p, err := netip.ParsePrefix(s.text)
	a := p.Addr()
	switch {
	case err != nil:
		c := bad("%s is no prefix", quote(s.text)).want(valid)
		if one, err := netip.ParseAddr(s.text); err == nil && one.Zone() == "" {
			c.near(netip.PrefixFrom(one, one.BitLen()).String())
		}
		return c
	case a.Is4In6():
		return bad("%s is an IPv4 address in IPv6", quote(s.text)).want(valid)
	case p != p.Masked():
		return bad("%s is an address in a prefix", quote(s.text)).want(valid).near(p.Masked().String())
	case a.Is4() && p.Bits() < 8 || a.Is6() && p.Bits() < 16:
		return bad("%s is too wide", quote(s.text)).want("at least 8 bits of an IPv4 prefix, 16 of an IPv6 one")
	case a.IsMulticast(), a.IsLoopback(), a.IsUnspecified(), a.IsLinkLocalUnicast(), a.Is4() && a.As4()[0] >= 224:
		return bad("%s are no addresses of hosts", quote(s.text)).want(valid)
	}
	v.V = p
	return nil
}
