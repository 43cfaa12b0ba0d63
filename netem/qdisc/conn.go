package qdisc

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"testbed/topo/netns"
)

// Handles of queueing disciplines (include/uapi/linux/pkt_sched.h). Ours all have
// the same, as each is on an interface of its own.
const (
	rootParent    = 0xffffffff // TC_H_ROOT
	clsactParent  = 0xfffffff1 // TC_H_CLSACT
	clsactHandle  = 0xffff0000
	ingressParent = 0xfffffff2 // TC_H_CLSACT, TC_H_MIN_INGRESS
	netemHandle   = 0x00010000 // 1:
	netemClass    = 0x00010001 // 1:1
)

var errNoAnswer = errors.New("the kernel gave no answer")

// conn is an rtnetlink(7) socket in the ether. Its methods are safe for concurrent
// use. Errors are the kernel's errno with its own words, if it gives any.
type conn struct{ handle *nl.SocketHandle }

func dial(ether *netns.NS) (*conn, error) {
	c := &conn{&nl.SocketHandle{}}
	err := ether.Do(func() (err error) {
		c.handle.Socket, err = nl.Subscribe(unix.NETLINK_ROUTE)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open rtnetlink socket: %w", err)
	}
	if err := c.handle.Socket.SetExtAck(true); err != nil {
		c.close()
		return nil, fmt.Errorf("ask for the kernel's words: %w", err)
	}
	return c, nil
}

func (c *conn) close() { c.handle.Close() }

// do sends a request and returns the kernel's messages.
func (c *conn) do(kind, flags int, parts ...nl.NetlinkRequestData) ([][]byte, error) {
	req := nl.NewNetlinkRequest(kind, flags)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: c.handle}
	for _, p := range parts {
		req.AddData(p)
	}
	return req.Execute(unix.NETLINK_ROUTE, 0)
}

// The flags of requests that make, change and remove.
const (
	create = unix.NLM_F_ACK | unix.NLM_F_CREATE | unix.NLM_F_EXCL
	change = unix.NLM_F_ACK | unix.NLM_F_REPLACE
	remove = unix.NLM_F_ACK
)

// setQdisc makes or changes a queueing discipline. Options may be nil.
//
//	tc qdisc add|change dev INDEX parent PARENT handle HANDLE KIND OPTIONS
func (c *conn) setQdisc(flags, index int, parent, handle uint32, kind string, options *nl.RtAttr) error {
	parts := []nl.NetlinkRequestData{
		&nl.TcMsg{Family: unix.AF_UNSPEC, Ifindex: int32(index), Parent: parent, Handle: handle},
		nl.NewRtAttr(nl.TCA_KIND, nl.ZeroTerminated(kind)),
	}
	if options != nil {
		parts = append(parts, options)
	}
	_, err := c.do(unix.RTM_NEWQDISC, flags, parts...)
	return err
}

// deleteQdisc drops what waits in a queueing discipline, and the discipline.
//
//	tc qdisc del dev INDEX parent PARENT handle HANDLE
func (c *conn) deleteQdisc(index int, parent, handle uint32) error {
	_, err := c.do(unix.RTM_DELQDISC, remove, &nl.TcMsg{Family: unix.AF_UNSPEC, Ifindex: int32(index), Parent: parent, Handle: handle})
	return err
}

// readQdisc reads a queueing discipline.
//
//	tc -s qdisc show dev INDEX
func (c *conn) readQdisc(index int, parent uint32) (queue, error) {
	msgs, err := c.do(unix.RTM_GETQDISC, unix.NLM_F_ECHO, &nl.TcMsg{Family: unix.AF_UNSPEC, Ifindex: int32(index), Parent: parent})
	if err != nil {
		return queue{}, err
	}
	for _, m := range msgs {
		if len(m) >= nl.SizeofTcMsg && int(nl.DeserializeTcMsg(m).Ifindex) == index {
			return decodeQueue(m[nl.SizeofTcMsg:])
		}
	}
	return queue{}, errNoAnswer
}
