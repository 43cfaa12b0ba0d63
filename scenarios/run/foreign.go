package run

import (
	"net/netip"
	"slices"
	"time"

	"testbed/agents/flood"
	"testbed/netem"
	"testbed/observe"
	"testbed/observe/decode"
)

// foreign are the packets of a flood: no other step is about them, and to follow
// each of them would take long.
type foreign struct {
	from   netip.Prefix
	target netip.AddrPort
	// own are the addresses of nodes that the prefix holds. Only those source ports of
	// theirs count that floods have.
	own map[netip.Addr]bool
}

// newForeign is what a flood's packets look like.
func (l *Lab) newForeign(from netip.Prefix, target netip.AddrPort) foreign {
	f := foreign{from: from, target: target, own: map[netip.Addr]bool{}}
	for i := range l.net.Plan.Nodes {
		for _, n := range l.net.Plan.Nodes[i].Interfaces {
			for _, a := range n.Addresses {
				f.own[a.Addr()] = from.Contains(a.Addr())
			}
		}
	}
	return f
}

// has tells whether a segment of these ends is the flood's, or an answer to it.
func (f *foreign) has(src, dst netip.AddrPort) bool {
	if dst != f.target {
		src, dst = dst, src
	}
	if dst != f.target || !f.from.Contains(src.Addr()) {
		return false
	}
	return !f.own[src.Addr()] || src.Port() >= flood.FirstPort && src.Port() <= flood.LastPort
}

// isForeign tells whether a frame is of a flood.
func (l *Lab) isForeign(frame observe.Frame) bool {
	l.mu.Lock()
	floods := l.foreign
	l.mu.Unlock()
	return foreignTo(floods, frame)
}

func foreignTo(floods []foreign, frame observe.Frame) bool {
	if len(floods) == 0 {
		return false
	}
	src, dst, ok := decode.Ends(frame)
	return ok && slices.ContainsFunc(floods, func(f foreign) bool { return f.has(src, dst) })
}

// framesSince are the frames after a mark of the capture, but for those of floods.
func (l *Lab) framesSince(mark int) []observe.Frame {
	l.mu.Lock()
	floods := l.foreign
	l.mu.Unlock()
	return slices.DeleteFunc(l.capture.Since(mark), func(f observe.Frame) bool { return foreignTo(floods, f) })
}

// lossesSince are the frames that links dropped from a moment on, but for those of
// floods.
func (l *Lab) lossesSince(t time.Time) []netem.Drop {
	return slices.DeleteFunc(l.dropsSince(t), func(d netem.Drop) bool {
		return l.isForeign(observe.Frame{Data: d.Frame, Length: d.Length})
	})
}
