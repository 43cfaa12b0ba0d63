package run

import (
	"testbed/agents"
	"testbed/agents/tcp"
	"testbed/scenarios/spec"
	"testbed/topo"
)

// exchange writes, and reads until the answer is complete or the other end has
// closed, or not at all. What nobody read is owed to a later exchange; one that
// reads to the end takes it for a part of its answer.
func (l *Lab) exchange(c *connection, x spec.Exchange) *tcp.Exchanged {
	stale, due := c.owed, l.due(c, x.Send)
	if x.Send == "" {
		stale = 0 // it reads what is owed
	}
	switch x.Read {
	case spec.ReadNothing:
		due.whole = func([]byte) bool { return true }
	case spec.ReadEnd:
		stale, due.whole = 0, func([]byte) bool { return false }
	}
	done := tcp.Exchange(c.conn, []byte(x.Send), due.whole, orDefault(x.Timeout))
	c.owed = max(0, due.bytes-len(done.Answer))
	done.Answer = done.Answer[min(stale, len(done.Answer)):]
	if x.Read == spec.ReadNothing && done.Outcome == agents.Answered {
		done.Outcome = agents.Sent
	}
	return done
}

// due is what is to come on a connection: a number of bytes where that is known,
// else whatever makes an answer whole.
type due struct {
	bytes int
	whole func(answer []byte) bool
}

// due is what follows a message, by what serves the connection: an echo is as
// long as what was sent, a banner comes first once, and an earlier answer that
// nobody waited for comes before all.
func (l *Lab) due(c *connection, sent string) due {
	var at topo.Listener
	if c.target >= 0 {
		if r := l.servers[c.target][c.remote.Port()]; r != nil {
			at = r.listener
		}
	}
	first := !c.exchanged
	c.exchanged = true
	bytes := c.owed + len(sent)
	if bytes == 0 {
		return due{whole: func(answer []byte) bool { return agents.Complete("", answer) }}
	}
	switch at.Serve {
	case topo.ServeBanner:
		if first {
			bytes += len(tcp.BannerLine(at.Banner))
		}
	case topo.ServeEcho:
	default:
		return due{whole: func(answer []byte) bool { return agents.Complete(at.Serve, answer) }}
	}
	return due{bytes: bytes, whole: func(answer []byte) bool { return len(answer) >= bytes }}
}
