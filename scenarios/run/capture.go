package run

import (
	"bytes"
	"slices"

	"testbed/netem"
	"testbed/observe/capture"
	"testbed/observe/pcapng"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo"
	"testbed/topo/build"
	"testbed/topo/netns"
)

// opening is a capture that is opened beside the building of its network: the
// kernel takes some 12 ms over its ring. The zero value has not begun.
type opening struct {
	// snapLen is how many bytes of a frame are kept; zero means the capture's
	// default.
	snapLen int
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
		o.capture, o.err = capture.Open(ether, capture.Options{SnapLen: o.snapLen})
	}()
	return func() error { <-o.done; return nil }
}

// snapLen is how many bytes of each frame must be kept of a network as it is, and
// as steps change it: all of them where a link flips bits, because checksums
// cover them, and else the capture's default.
func snapLen(t *topo.Topology, steps []spec.Step) int {
	corrupts, mtu := false, 1500
	see := func(toward [2]netem.Impairment, size int) {
		for _, i := range toward {
			corrupts = corrupts || i.Corrupt > 0 || i.Faults.Any(netem.CorruptPacket)
		}
		mtu = max(mtu, size)
	}
	for _, l := range t.Links {
		see(l.Toward, l.MTU)
	}
	for _, s := range steps {
		if s.Set != nil {
			see(s.Set.Toward, s.Set.MTU)
		}
	}
	if !corrupts {
		return 0
	}
	return etherHeader + mtu
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

// file is what crossed the links up to now; nil if there are none.
func (l *Lab) file(scenario, kernel string) (*verdict.Capture, error) {
	if len(l.Plan().Links) == 0 {
		return nil, nil
	}
	c := &pcapng.Capture{
		Scenario: scenario, Kernel: kernel, Plan: l.Plan(), SnapLen: l.capture.SnapLen(),
		Frames: l.capture.Since(0), Forgotten: l.capture.Forgotten(0), Lost: l.capture.Lost(),
	}
	var b bytes.Buffer
	size := 0
	for _, f := range c.Frames {
		size += len(f.Data) + packetOverhead
	}
	b.Grow(size)
	if err := pcapng.Write(&b, c); err != nil {
		return nil, err
	}
	return &verdict.Capture{File: b.Bytes(), Forgotten: c.Forgotten, Lost: c.Lost}, nil
}

// packetOverhead is about what a pcapng file has of each frame beside its bytes.
const packetOverhead = 48
