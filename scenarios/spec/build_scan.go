package spec

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"testbed/agents"
	"testbed/topo"
)

func (b *builder) scan(r *rawScan) *Scan {
	s := &Scan{From: b.from(r.From), Family: IPv4, Retries: DefaultRetries, Rate: b.pace(r.Rate, maxScanRate, DefaultScanRate)}
	if r.Scan != nil {
		b.ports(s, r.Scan)
		s.Family = b.family(r.Family, s.Host)
	}
	if r.Retries != nil {
		s.Retries = r.Retries.V
	}
	if r.Timeout != nil {
		s.Timeout = r.Timeout.V
	}
	return s
}

// pace is a rate at which packets are sent.
func (b *builder) pace(r *sendRate, most float64, otherwise topo.Rate) topo.Rate {
	if r == nil {
		return otherwise
	}
	if r.V.PerSecond() > most {
		b.add(r.mark, bad("rate: %s is too fast", quote(fmt.Sprintf("%d/%s", r.V.Packets, r.V.Per))).want(fmt.Sprintf("at most %.0f/second", most)))
	}
	return r.V
}

// ports splits a scan's target into host and ports.
func (b *builder) ports(s *Scan, w *word) {
	host, list, ok := cutPort(w.V)
	if !ok || list == "" {
		c := bad("scan: %s has no ports", quote(w.V)).want(wantPorts)
		if a, err := netip.ParseAddr(w.V); err == nil && a.Is6() {
			c.near("[" + w.V + "]:1-1024")
		} else if slices.Contains(b.names, w.V) {
			c.near(w.V + ":1-1024")
		}
		b.add(w.mark, c)
		return
	}
	if a, err := netip.ParseAddr(host); strings.HasPrefix(w.V, "[") && (err != nil || !a.Is6()) {
		b.add(w.mark, bad("scan: %s in brackets is no IPv6 address", quote(host)).want(wantPorts))
		return
	}
	s.Host, s.Text = b.host("scan", w.mark, s.From, host), list
	var c *complaint
	if s.Ports, c = portNumbers(list); c != nil {
		c.message = "scan: " + c.message
		if c.nearest != "" {
			c.near(strings.TrimSuffix(w.V, list) + c.nearest)
		}
		b.add(w.mark, c)
	}
}

// portNumbers reads ports and ranges joined by commas.
func portNumbers(list string) (all []uint16, c *complaint) {
	seen := map[uint16]bool{}
	for part := range strings.SplitSeq(list, ",") {
		var r ports
		if c := r.parse(scalar{text: part}); c != nil {
			switch trimmed := strings.ReplaceAll(list, " ", ""); {
			case trimmed != list:
				c.near(trimmed)
			case c.nearest != "":
				c.near(strings.Replace(list, part, c.nearest, 1))
			}
			return nil, c.want(wantPorts)
		}
		if port, dup := again(seen, &r); dup {
			return nil, bad("port %d again", port).want("each port once")
		}
		for p := int(r.V.First); p <= int(r.V.Last); p++ {
			all = append(all, uint16(p))
		}
	}
	return all, nil
}

// scanned notes expectations of ports that are not scanned, that are in two lists,
// or that no list has where there are all three.
func (b *builder) scanned(s *Scan, r *rawExpect) {
	if r == nil || s.Ports == nil {
		return
	}
	for _, e := range r.Kernels.list {
		b.scanned(s, e.value)
	}
	lists := []struct {
		key string
		l   *portList
	}{{"open", r.Open}, {"closed", r.Closed}, {"filtered", r.Filtered}}
	scanned, in := map[uint16]bool{}, map[uint16]string{}
	for _, port := range s.Ports {
		scanned[port] = true
	}
	whole := r.Kernels.line == 0
	for _, x := range lists {
		whole = whole && x.l != nil
		var foreign []uint16
		for _, port := range x.l.numbers() {
			if !scanned[port] {
				foreign = append(foreign, port)
			} else if other := in[port]; other != "" && other != x.key {
				b.add(x.l.mark, bad("%s: port %d is in %s already", x.key, port, other).want("each port in one list"))
				break
			}
			in[port] = x.key
		}
		if len(foreign) > 0 {
			b.add(x.l.mark, bad("%s: not scanned: %s", x.key, cutList(foreign)).want("the ports of the scan: "+cutList(s.Ports)))
		}
	}
	if !whole || r.partial {
		return
	}
	rest := slices.DeleteFunc(slices.Clone(s.Ports), func(p uint16) bool { return in[p] != "" })
	if len(rest) > 0 {
		b.add(r.mark, bad("expect: open, closed and filtered lack %s", cutList(rest)).want("every port of the scan in one of the three, or less than three of them"))
	}
}

// cutList are ports for a message.
func cutList(ports []uint16) string {
	const most = 60
	s := agents.FormatPorts(ports)
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

func (b *builder) flood(r *rawFlood) *Flood {
	f := &Flood{From: b.from(r.From), Family: IPv4, Duration: DefaultFloodDuration, Rate: b.pace(r.Rate, maxFloodRate, DefaultFloodRate)}
	if r.Flood != nil {
		f.Target = b.targetOf("flood", f.From, r.Flood)
		f.Family = b.family(r.Family, f.Target.Host)
	}
	if r.Background != nil && r.Background.V {
		f.Background, f.Duration = true, 0
	}
	if r.Duration != nil {
		f.Duration = r.Duration.V
	}
	b.spoof(f, r.Spoof)
	return f
}

func (b *builder) spoof(f *Flood, r *spoof) {
	switch {
	case r == nil:
	case r.yes && f.Family == IPv6:
		f.Spoof = spoofed6
	case r.yes:
		f.Spoof = spoofed4
	case r.V.IsValid() && r.V.Addr().Is6() != (f.Family == IPv6):
		b.add(r.mark, bad("spoof: %s is no prefix of %s", r.V, f.Family).want("a prefix of the flood's family, or family: beside it"))
	default:
		f.Spoof = r.V
	}
}

// silence has every router discard what goes to addresses that a flood spoofs,
// unless it has a route of its own for them: on the Internet they lead to somebody who does
// not answer, while a router without a route would tell the target so, which then
// forgets the half-open connection (net/ipv4/tcp_ipv4.c, tcp_req_err).
func (b *builder) silence() {
	var prefixes []netip.Prefix
	for _, f := range floods(b.sc.Steps) {
		if f.Spoof.IsValid() && !slices.Contains(prefixes, f.Spoof) {
			prefixes = append(prefixes, f.Spoof)
		}
	}
	if prefixes == nil {
		return
	}
	for i := range b.sc.Topology.Nodes {
		n := &b.sc.Topology.Nodes[i]
		if n.Role != topo.Router {
			continue
		}
		n.Routes = silent(n.Routes, prefixes)
		for _, s := range append(sets(b.sc.Steps), b.sc.Mutations...) {
			if s.Node == n.Name && s.Routes != nil {
				*s.Routes = silent(*s.Routes, prefixes)
			}
		}
	}
}

// silent adds a blackhole for each prefix that no route is for.
func silent(routes []topo.Route, prefixes []netip.Prefix) []topo.Route {
	routes = slices.Clone(routes)
	for _, p := range prefixes {
		if !slices.ContainsFunc(routes, func(r topo.Route) bool { return r.To == p }) {
			routes = append(routes, topo.Route{To: p, Kind: topo.Blackhole})
		}
	}
	return routes
}

// floods are those of steps, and of steps in parallel.
func floods(steps []Step) (all []*Flood) {
	for i := range steps {
		if steps[i].Flood != nil {
			all = append(all, steps[i].Flood)
		}
		if steps[i].Parallel != nil {
			all = append(all, floods(steps[i].Parallel.Steps)...)
		}
	}
	return all
}

// sets are the changes that steps make.
func sets(steps []Step) (all []Set) {
	for i := range steps {
		if steps[i].Set != nil {
			all = append(all, *steps[i].Set)
		}
	}
	return all
}

func (b *builder) counters(raw *entries[count]) map[string]Count {
	if raw.line == 0 {
		return nil
	}
	counts := map[string]Count{}
	for _, e := range raw.list {
		if !slices.Contains(Counters, e.key) {
			b.add(e.at, bad("counters: %s is no counter of a listener", quote(e.key)).want(strings.Join(Counters, ", ")).near(nearest(e.key, Counters)))
		} else if e.value != nil {
			counts[e.key] = e.value.V
		}
	}
	return counts
}
