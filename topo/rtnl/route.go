package rtnl

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"testbed/topo"
)

// routeProtocol marks the testbed's routes (RTPROT_STATIC), so that
// ReplaceRoutes removes no others.
const routeProtocol = unix.RTPROT_STATIC

// ReplaceRoutes makes a node's main table hold the plan's routes and no other
// static ones. Routes over an interface that is down are left out, as the kernel
// does. TCP over a unicast route uses the given congestion control: a metric of
// the route may choose one that the host restricts, where the sysctl
// net.ipv4.tcp_congestion_control of a network namespace may not
// (net/ipv4/tcp_cong.c, tcp_set_default_congestion_control).
func (h *Handle) ReplaceRoutes(n *topo.PlanNode, down func(link int) bool, congestionControl string) error {
	old, err := h.nl.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Protocol: routeProtocol}, netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	for i := range old {
		if err := h.nl.RouteDel(&old[i]); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("delete route to %s: %w", old[i].Dst, err)
		}
	}
	// Gateways must be on a connected prefix, so those come first.
	for _, connected := range []bool{true, false} {
		for _, r := range n.Routes {
			if (r.Kind == topo.Unicast && !r.Via.IsValid()) != connected {
				continue
			}
			if r.Kind == topo.Unicast && down(n.Interfaces[r.Interface].Link) {
				continue
			}
			if err := h.addRoute(n, r, congestionControl); err != nil {
				return err
			}
		}
	}
	return nil
}

// addRoute adds one route.
//
//	ip route add TO via VIA dev NAME congctl cubic
//	ip route add blackhole TO
func (h *Handle) addRoute(n *topo.PlanNode, r topo.PlanRoute, congestionControl string) error {
	route := &netlink.Route{Dst: ipNet(r.To), Protocol: routeProtocol, Type: routeType(r.Kind)}
	if r.Kind == topo.Unicast {
		f := &n.Interfaces[r.Interface]
		index, err := h.Index(f.Name)
		if err != nil {
			return err
		}
		route.LinkIndex, route.Congctl = index, congestionControl
		if r.Via.IsValid() {
			route.Gw = r.Via.AsSlice()
		} else if r.To.Addr().Is4() {
			route.Scope = unix.RT_SCOPE_LINK
		}
	}
	if err := h.nl.RouteAdd(route); err != nil {
		return fmt.Errorf("add %s route to %s: %w", r.Kind, r.To, err)
	}
	return nil
}

func routeType(k topo.RouteKind) int {
	switch k {
	case topo.Blackhole:
		return unix.RTN_BLACKHOLE
	case topo.Unreachable:
		return unix.RTN_UNREACHABLE
	case topo.Prohibit:
		return unix.RTN_PROHIBIT
	}
	return unix.RTN_UNICAST
}

// Routes counts the testbed's routes that the kernel has.
func (h *Handle) Routes() (int, error) {
	rs, err := h.nl.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Protocol: routeProtocol}, netlink.RT_FILTER_PROTOCOL)
	return len(rs), err
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
