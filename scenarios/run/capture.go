package run

import (
	"slices"

	"testbed/netem"
	"testbed/observe/capture"
	"testbed/topo/build"
	"testbed/topo/netns"
)

// opening is a capture that is opened beside the building of its network: the
// kernel takes some 12 ms over its ring. The zero value has not begun.
type opening struct {
	done    chan struct{}
	capture *capture.Capture
	err     error
}

// begin opens a capture of the ether. The ether must be kept until what it
// returns has returned.
func (o *opening) begin(ether *netns.NS) (wait func() error) {
	o.done = make(chan struct{})
	go func() {
		defer close(o.done)
		o.capture, o.err = capture.Open(ether, capture.Options{})
	}()
	return func() error { <-o.done; return nil }
}

// openedCapture takes over what was opened, whether the network was built or not.
func (l *Lab) openedCapture(o *opening) error {
	if o.done == nil {
		return nil
	}
	<-o.done
	l.capture = o.capture
	return o.err
}

// startCapture begins to watch the ends of the links.
func (l *Lab) startCapture(n *build.Network, o *opening) error {
	if err := l.openedCapture(o); err != nil {
		return nil // Open tells it
	}
	links, err := n.Ends()
	if err != nil {
		return err
	}
	ends := map[int]capture.End{}
	for index, link := range links {
		side := netem.Side(slices.IndexFunc(link.Ends[:], func(e netem.End) bool { return e.Index == index }))
		ends[index] = capture.End{Link: link.ID, Side: side}
	}
	return l.capture.Start(ends)
}
