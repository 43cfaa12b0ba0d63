package qdisc

import (
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// egressRedirect is TCA_EGRESS_REDIR (include/uapi/linux/tc_act/tc_mirred.h).
const egressRedirect = 1

// action is a traffic control action. Its index, by which it can be changed while
// it acts, is the ifindex of the interface at whose ingress it is.
type action struct {
	kind    string
	options []*nl.RtAttr
}

// policing drops what is larger than mtu, in bytes of the whole frame, at once and
// without a word; the rest goes to the next action.
//
//	action police mtu MTU conform-exceed drop/pipe index INDEX
func policing(index int, mtu uint32) action {
	// struct tc_police: index, action, limit, burst, mtu, two rates of three words
	// each, and what the kernel fills in.
	b := pack(uint32(index), uint32(netlink.TC_ACT_SHOT), 0, 0, mtu, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	return action{"police", []*nl.RtAttr{
		nl.NewRtAttr(nl.TCA_POLICE_TBF, b), nl.NewRtAttr(nl.TCA_POLICE_RESULT, pack(uint32(netlink.TC_ACT_PIPE))),
	}}
}

// redirection sends frames out of another interface. One that is down drops them.
//
//	action mirred egress redirect dev TO index INDEX
func redirection(index, to int) action {
	// struct tc_mirred: index, capab, action, two words that the kernel fills in,
	// eaction, ifindex.
	b := pack(uint32(index), 0, uint32(netlink.TC_ACT_STOLEN), 0, 0, egressRedirect, uint32(to))
	return action{"mirred", []*nl.RtAttr{nl.NewRtAttr(nl.TCA_MIRRED_PARMS, b)}}
}

// encode is the action as the i-th of a list.
func (a action) encode(i int) *nl.RtAttr {
	t := nl.NewRtAttr(i, nil)
	t.AddRtAttr(nl.TCA_ACT_KIND, nl.ZeroTerminated(a.kind))
	o := t.AddRtAttr(nl.TCA_ACT_OPTIONS|unix.NLA_F_NESTED, nil)
	for _, attr := range a.options {
		o.AddChild(attr)
	}
	return t
}

// addFilter lets every frame that comes in at an interface, whose clsact is there,
// meet actions.
//
//	tc filter add dev INDEX ingress protocol all matchall ACTIONS
func (c *conn) addFilter(index int, actions ...action) error {
	const allProtocols = unix.ETH_P_ALL << 8 // in network order
	options := nl.NewRtAttr(nl.TCA_OPTIONS, nil)
	list := options.AddRtAttr(nl.TCA_MATCHALL_ACT, nil)
	for i, a := range actions {
		list.AddChild(a.encode(i + 1))
	}
	_, err := c.do(unix.RTM_NEWTFILTER, create,
		&nl.TcMsg{Family: unix.AF_UNSPEC, Ifindex: int32(index), Parent: ingressParent, Handle: 1, Info: 1<<16 | allProtocols},
		nl.NewRtAttr(nl.TCA_KIND, nl.ZeroTerminated("matchall")), options)
	return err
}

// deleteFilters lets nothing in any more.
//
//	tc filter del dev INDEX ingress
func (c *conn) deleteFilters(index int) error {
	_, err := c.do(unix.RTM_DELTFILTER, remove, &nl.TcMsg{Family: unix.AF_UNSPEC, Ifindex: int32(index), Parent: ingressParent})
	return err
}

// setAction makes an action by itself, or changes one where it acts, between two
// frames.
//
//	tc actions add|replace ACTION
func (c *conn) setAction(flags int, a action) error {
	list := nl.NewRtAttr(nl.TCA_ACT_TAB, nil)
	list.AddChild(a.encode(1))
	_, err := c.do(unix.RTM_NEWACTION, flags, &nl.TcActionMsg{Family: unix.AF_UNSPEC}, list)
	return err
}

// readAction reads the parameters of an action, which are an attribute of a type,
// and how often it failed to do what it does.
//
//	tc -s actions get KIND index INDEX
func (c *conn) readAction(kind string, index int, parameters uint16) (b []byte, failures uint32, err error) {
	list := nl.NewRtAttr(nl.TCA_ACT_TAB, nil)
	one := list.AddRtAttr(1, nil)
	one.AddRtAttr(nl.TCA_ACT_KIND, nl.ZeroTerminated(kind))
	one.AddRtAttr(nl.TCA_ACT_INDEX, pack(uint32(index)))
	msgs, err := c.do(unix.RTM_GETACTION, 0, &nl.TcActionMsg{Family: unix.AF_UNSPEC}, list)
	if err != nil {
		return nil, 0, err
	}
	for _, m := range msgs {
		first := attribute(attribute(m[min(len(m), nl.SizeofTcActionMsg):], nl.TCA_ACT_TAB), 1)
		var waiting, backlog, drops, requeues uint32
		err := words(attribute(attribute(first, nl.TCA_ACT_STATS), nl.TCA_STATS_QUEUE), "statistics", &waiting, &backlog, &drops, &requeues, &failures)
		return attribute(attribute(first, nl.TCA_ACT_OPTIONS), parameters), failures, err
	}
	return nil, 0, errNoAnswer
}

// replaceAction changes an action and reads back the word of its parameters that
// makes the difference.
func (c *conn) replaceAction(a action, index int, parameters uint16, word int, want uint32) error {
	if err := c.setAction(change, a); err != nil {
		return err
	}
	b, _, err := c.readAction(a.kind, index, parameters)
	var got uint32
	if err == nil {
		err = words(b[min(len(b), 4*word):], a.kind, &got)
	}
	if err != nil {
		return fmt.Errorf("read it back: %w", err)
	}
	if got != want {
		return fmt.Errorf("the kernel made it %d", got)
	}
	return nil
}

// setMTU changes the largest frame that comes in at an interface.
func (c *conn) setMTU(index int, mtu uint32) error {
	const word = 4 // of struct tc_police
	if err := c.replaceAction(policing(index, mtu), index, nl.TCA_POLICE_TBF, word, mtu); err != nil {
		return fmt.Errorf("set largest frame to %d bytes: %w", mtu, err)
	}
	return nil
}

// redirect changes where the frames that come in at an interface go.
func (c *conn) redirect(index, to int) error {
	const word = 6 // of struct tc_mirred
	if err := c.replaceAction(redirection(index, to), index, nl.TCA_MIRRED_PARMS, word, uint32(to)); err != nil {
		return fmt.Errorf("redirect to interface %d: %w", to, err)
	}
	return nil
}
