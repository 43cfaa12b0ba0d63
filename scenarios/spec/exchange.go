package spec

import (
	"time"

	"testbed/topo"
)

// Reading is until when an exchange reads.
type Reading string

// The ways to read.
const (
	// ReadAnswer reads until the answer is complete.
	ReadAnswer Reading = "answer"
	// ReadNothing leaves what comes unread.
	ReadNothing Reading = "nothing"
	// ReadEnd reads until the other end has closed.
	ReadEnd Reading = "end"
)

var readings = []Reading{ReadAnswer, ReadNothing, ReadEnd}

type reading struct{ value[Reading] }

func (v *reading) parse(s scalar) (c *complaint) { v.V, c = pick(s, readings); return c }

// spoken is what an exchange writes and reads.
func (b *builder) spoken(x *Exchange, r *rawExchange) {
	if r.Read != nil {
		x.Read = r.Read.V
	}
	line, halved := b.half[x.Connection]
	switch {
	case r.Send == nil && !r.partial && (r.Read == nil || x.Read == ReadNothing):
		b.add(r.mark, bad("an exchange that neither sends nor reads").want("send: TEXT; or read: answer or read: end, to read without sending"))
	case r.Send == nil:
	case r.Send.V == "":
		b.add(r.Send.mark, bad("send: nothing to send").want("at least one byte"))
	case halved:
		c := bad("send: the connection %q has been closed for sending on line %d", x.Connection, line)
		b.add(r.Send.mark, c.want("read: end without send, to read what still comes"))
	default:
		x.Send = r.Send.V
	}
}

// halved notes a connection whose own side a close step shuts down, and tells
// whether this one does.
func (b *builder) halved(c *Close, r *rawClose) bool {
	if c.Half = r.With != nil && r.With.V == "half"; !c.Half {
		delete(b.half, c.Connection)
		return false
	}
	if line, twice := b.half[c.Connection]; twice {
		b.add(r.With.mark, bad("with: the own side of %q is closed since line %d", c.Connection, line).want("with: fin or reset, which end the connection"))
	}
	b.half[c.Connection] = r.line
	return true
}

// userTimeout is how long the kernel goes on with what is not acknowledged.
func (b *builder) userTimeout(c *Connect, r *rawConnect) {
	if r.Within == nil {
		return
	}
	if c.UserTimeout = r.Within.V; c.UserTimeout%time.Millisecond != 0 {
		b.add(r.Within.mark, bad("user_timeout: %s is no number of whole milliseconds", r.Within.V).want("1ms or more: the kernel counts milliseconds"))
	}
}

// maxFastOpen bounds what a SYN takes along, in bytes.
const maxFastOpen = 1000

// fastOpen is what is sent with the SYN.
func (b *builder) fastOpen(c *Connect, r *rawConnect) {
	if r.Early == nil {
		return
	}
	switch c.FastOpen = r.Early.V; {
	case c.FastOpen == "":
		b.add(r.Early.mark, bad("fast_open: nothing to send").want("at least one byte"))
	case len(c.FastOpen) > maxFastOpen:
		b.add(r.Early.mark, bad("fast_open: %d bytes are too many for a SYN", len(c.FastOpen)).want("1000 bytes at most; exchange sends more"))
	case c.Family == HappyEyeballs:
		b.add(r.Early.mark, bad("fast_open with several addresses: each attempt would send it").want("family: ipv4 or family: ipv6"))
	}
}

// endsAfter are the kinds of server that may end their connections after a time.
var endsAfter = []topo.Serve{topo.ServeClose, topo.ServeReset, topo.ServeNoRead}

// ends is when a listener ends its connections.
func (b *builder) ends(l *topo.Listener, r *rawListener) {
	if r.After == nil {
		return
	}
	l.After = r.After.V
	for _, s := range endsAfter {
		if l.Serve == s {
			return
		}
	}
	b.add(r.After.mark, bad("after is not for serve: %s", l.Serve).want("after with serve: "+join(endsAfter)))
}
