package rtnl

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"testbed/topo"
)

// routeProtocol marks the testbed's routes (RTPROT_STATIC), so that
// ReplaceRoutes removes no others.
const routeProtocol = unix.RTPROT_STATIC

// ReplaceRoutes makes a node's main table hold the plan's routes and no other
// static ones. Routes over an interface that is down are left out, as the kernel
// does; those that are there already stay, so that nothing loses its way. TCP over
// a unicast route uses the given congestion control: a metric of the route may
// choose one that the host restricts, where the sysctl
// net.ipv4.tcp_congestion_control of a network namespace may not
// (net/ipv4/tcp_cong.c, tcp_set_default_congestion_control).
func (h *Handle) ReplaceRoutes(n *topo.PlanNode, down func(link int) bool, congestionControl string) error {
	wanted, err := h.wantedRoutes(n, down, congestionControl)
	if err != nil {
		return err
	}
	old, err := h.nl.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Protocol: routeProtocol}, netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	for i := range old {
		if j := slices.IndexFunc(wanted, func(r *netlink.Route) bool { return sameRoute(r, &old[i]) }); j >= 0 {
			wanted = slices.Delete(wanted, j, j+1)
			continue
		}
		if err := h.nl.RouteDel(&old[i]); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("delete route to %s: %w", old[i].Dst, err)
		}
	}
	for _, r := range wanted {
		if err := h.nl.RouteAdd(r); err != nil {
			return fmt.Errorf("add route to %s: %w", r.Dst, err)
		}
	}
	return nil
}

// wantedRoutes are those of the plan whose interface is up, connected ones first,
// because gateways must be on a connected prefix.
func (h *Handle) wantedRoutes(n *topo.PlanNode, down func(link int) bool, congestionControl string) (all []*netlink.Route, err error) {
	for _, connected := range []bool{true, false} {
		for _, r := range n.Routes {
			if (r.Kind == topo.Unicast && !r.Via.IsValid()) != connected {
				continue
			}
			if r.Kind == topo.Unicast && down(n.Interfaces[r.Interface].Link) {
				continue
			}
			route, err := h.route(n, r, congestionControl)
			if err != nil {
				return nil, err
			}
			all = append(all, route)
		}
	}
	return all, nil
}

// route is one route as the kernel is told.
//
//	ip route add TO via VIA dev NAME congctl cubic
//	ip route add blackhole TO
func (h *Handle) route(n *topo.PlanNode, r topo.PlanRoute, congestionControl string) (*netlink.Route, error) {
	route := &netlink.Route{Dst: ipNet(r.To), Protocol: routeProtocol, Type: routeType(r.Kind)}
	if r.Kind != topo.Unicast {
		return route, nil
	}
	index, err := h.Index(n.Interfaces[r.Interface].Name)
	if err != nil {
		return nil, err
	}
	route.LinkIndex, route.Congctl = index, congestionControl
	if r.Via.IsValid() {
		route.Gw = r.Via.AsSlice()
	} else if r.To.Addr().Is4() {
		route.Scope = unix.RT_SCOPE_LINK
	}
	return route, nil
}

// sameRoute tells whether the kernel has a route that is wanted. An interface means
// nothing to a route that leads nowhere; IPv6 gives it one all the same.
func sameRoute(wanted, has *netlink.Route) bool {
	if has.Dst == nil || wanted.Type != has.Type || wanted.Dst.String() != has.Dst.String() {
		return false
	}
	return wanted.Type != unix.RTN_UNICAST ||
		wanted.LinkIndex == has.LinkIndex && wanted.Gw.Equal(has.Gw) && wanted.Congctl == has.Congctl
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
