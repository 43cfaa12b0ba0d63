package qdisc

import (
	"encoding/binary"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// queue is what the kernel tells of a queueing discipline: its options, and
// statistics in frames (struct gnet_stats_queue, include/uapi/linux/gen_stats.h).
type queue struct {
	kind    string
	options []byte
	// waiting are in the queue now.
	waiting, drops, requeues uint32
}

// decodeQueue reads the attributes of an RTM_NEWQDISC message.
func decodeQueue(b []byte) (queue, error) {
	var q queue
	var backlog uint32
	for kind, v := range attributes(b) {
		switch kind {
		case nl.TCA_KIND:
			q.kind = string(v[:max(0, len(v)-1)])
		case nl.TCA_OPTIONS:
			q.options = v
		case nl.TCA_STATS2:
			err := words(attribute(v, nl.TCA_STATS_QUEUE), "statistics", &q.waiting, &backlog, &q.drops, &q.requeues)
			if err != nil {
				return q, err
			}
		}
	}
	return q, nil
}

// port is what the kernel tells of an interface.
type port struct {
	// received and sent are frames; refused are those that it was to send and could
	// not.
	received, sent, refused uint64
	// failures is how often it lost its carrier, and what waited in its queue.
	failures uint32
}

// decodePort reads the attributes of an RTM_NEWLINK message.
func decodePort(b []byte) (p port, err error) {
	for kind, v := range attributes(b) {
		switch kind {
		case unix.IFLA_STATS64: // struct rtnl_link_stats64
			if len(v) < 8*8 {
				return p, fmt.Errorf("read statistics: %d bytes are too few", len(v))
			}
			at := func(i int) uint64 { return binary.NativeEndian.Uint64(v[8*i:]) }
			p.received, p.sent, p.refused = at(0), at(1), at(7)
		case unix.IFLA_CARRIER_DOWN_COUNT:
			err = words(v, "carrier", &p.failures)
		}
	}
	return p, err
}

// readPort reads an interface.
//
//	ip -s link show dev INDEX
func (c *conn) readPort(index int) (port, error) {
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	msgs, err := c.do(unix.RTM_GETLINK, 0, msg)
	if err != nil {
		return port{}, err
	}
	for _, m := range msgs {
		return decodePort(m[min(len(m), unix.SizeofIfInfomsg):])
	}
	return port{}, errNoAnswer
}
