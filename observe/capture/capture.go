// Package capture records the frames that cross a network's links, at both ends
// of each, with the kernel's time stamps.
package capture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"testbed/netem"
	"testbed/observe"
	"testbed/observe/record"
	"testbed/topo/netns"
)

// End says which end of which link an interface of the ether is.
type End struct {
	Link int
	Side netem.Side
}

// Options for Open. The zero value is useful.
type Options struct {
	// SnapLen is how many bytes of a frame are kept; 0 means 256.
	SnapLen int
	// RingBytes is the size of the ring that the kernel writes to, rounded up to
	// 64 KiB; 0 means 4 MiB, about twelve thousand frames.
	RingBytes int
	// MaxFrames is how many frames are kept, the latest; 0 means 200,000.
	MaxFrames int
}

func (o *Options) fill() {
	if o.SnapLen <= 0 {
		o.SnapLen = 256
	}
	if o.RingBytes <= 0 {
		o.RingBytes = 4 << 20
	}
	if o.MaxFrames <= 0 {
		o.MaxFrames = 200_000
	}
}

// Capture records frames from Start to Close. Its methods are safe for
// concurrent use.
type Capture struct {
	options Options
	file    *os.File
	done    chan struct{} // closed when the reader has ended

	mu     sync.Mutex
	ring   *ring // nil once closed
	ends   map[int]End
	frames *record.Record[observe.Frame]
	arena  []byte
	lost   uint64
	more   chan struct{} // closed and replaced when frames come or Close is called
}

// ErrClosed is returned by Wait on a capture that is closed before the frame
// came.
var ErrClosed = errors.New("capture closed")

// Open makes the capture's socket in the ether; it records nothing before Start.
// The kernel waits for an RCU grace period when it makes the ring (packet_set_ring
// in net/packet/af_packet.c), about 10 ms, so Open is best called beside what
// builds the network.
func Open(ether *netns.NS, o Options) (*Capture, error) {
	o.fill()
	c := &Capture{options: o, frames: record.New[observe.Frame](o.MaxFrames), done: make(chan struct{}), more: make(chan struct{})}
	if err := ether.Do(func() (err error) {
		c.ring, err = openRing(o.SnapLen, o.RingBytes)
		return err
	}); err != nil {
		return nil, fmt.Errorf("open capture: %w", err)
	}
	c.file = os.NewFile(uintptr(c.ring.fd), "capture")
	return c, nil
}

// Start begins to record the frames at the given interfaces of the ether, by
// ifindex. Every frame that passes after it returned is recorded. It is called
// once.
func (c *Capture) Start(ends map[int]End) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ring == nil {
		return ErrClosed
	}
	if c.ends != nil {
		return errors.New("capture started twice")
	}
	conn, err := c.file.SyscallConn()
	if err != nil {
		return fmt.Errorf("start capture: %w", err)
	}
	if err := c.ring.listen(); err != nil {
		return fmt.Errorf("start capture: %w", err)
	}
	c.ends = ends
	go func() {
		defer close(c.done)
		_ = conn.Read(func(uintptr) bool { return !c.take() })
	}()
	return nil
}

// take moves frames out of the ring, and tells whether the capture is open.
func (c *Capture) take() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ring == nil {
		return false
	}
	c.drain()
	return true
}

// drain moves out every frame that the kernel has put into the ring. The caller
// holds c.mu.
func (c *Capture) drain() {
	if c.ring == nil || c.ends == nil {
		return
	}
	before := c.frames.Mark()
	for s, ok := c.ring.peek(); ok; s, ok = c.ring.peek() {
		if end, known := c.ends[s.ifindex]; known && s.direction() != neither {
			c.keep(s, end)
		}
		c.ring.release()
	}
	if c.frames.Mark() > before {
		c.wake()
	}
}

func (c *Capture) wake() {
	close(c.more)
	c.more = make(chan struct{})
}

// keep copies a frame out of the ring.
func (c *Capture) keep(s slot, e End) {
	if len(c.arena)+len(s.data) > cap(c.arena) {
		c.arena = make([]byte, 0, max(64<<10, len(s.data)))
	}
	n := len(c.arena)
	c.arena = append(c.arena, s.data...)
	c.frames.Append(observe.Frame{
		Time: s.time, Link: e.Link, Side: e.Side, Sent: s.direction() == fromNode,
		Data: c.arena[n:len(c.arena):len(c.arena)], Length: s.length,
	})
}

// Mark is a point in the record: Since(Mark()) holds what passes from now on.
func (c *Capture) Mark() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drain()
	return c.frames.Mark()
}

// Since returns the frames that passed after a mark (0 for all) and are still
// kept, up to now, in order of their time stamps. A frame whose effect the caller has seen, such as
// a connection that it established, is among them.
func (c *Capture) Since(mark int) []observe.Frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drain()
	fs := slices.Clone(c.frames.Since(mark))
	slices.SortStableFunc(fs, func(a, b observe.Frame) int { return a.Time.Compare(b.Time) })
	return fs
}

// Wait returns the first frame after a mark that meets the condition, as soon as
// it has passed. It fails when the context ends first, or with ErrClosed.
func (c *Capture) Wait(ctx context.Context, mark int, meets func(observe.Frame) bool) (observe.Frame, error) {
	for {
		fs, more, open := c.next(mark)
		for _, f := range fs {
			if meets(f) {
				return f, nil
			}
		}
		mark += len(fs)
		if !open {
			return observe.Frame{}, ErrClosed
		}
		select {
		case <-more:
		case <-ctx.Done():
			return observe.Frame{}, fmt.Errorf("wait for a frame: %w", ctx.Err())
		}
	}
}

// next returns the frames after a mark in order of arrival, and a channel that
// is closed when there are more.
func (c *Capture) next(mark int) (fs []observe.Frame, more <-chan struct{}, open bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drain()
	return c.frames.Since(mark), c.more, c.ring != nil
}

// Forgotten is the number of frames after a mark that are no longer kept.
func (c *Capture) Forgotten(mark int) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return uint64(c.frames.Forgotten(mark))
}

// SnapLen is how many bytes of a frame are kept.
func (c *Capture) SnapLen() int { return c.options.SnapLen }

// Lost is the number of frames that passed and were not recorded, because the
// ring was full.
func (c *Capture) Lost() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.countDrops()
	return c.lost
}

// countDrops adds what the kernel dropped since the last call (PACKET_STATISTICS
// in packet(7) resets its counters).
func (c *Capture) countDrops() {
	if c.ring == nil {
		return
	}
	if st, err := unix.GetsockoptTpacketStats(c.ring.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
		c.lost += uint64(st.Drops)
	}
}

// Close stops recording, once everything that has passed is recorded; the record
// stays readable. Further calls do nothing.
func (c *Capture) Close() error {
	c.mu.Lock()
	if c.ring == nil {
		c.mu.Unlock()
		return nil
	}
	c.drain()
	c.countDrops()
	r, started := c.ring, c.ends != nil
	c.ring = nil
	c.wake()
	c.mu.Unlock()
	_ = c.file.SetReadDeadline(time.Now())
	if started {
		<-c.done
	}
	err := r.unmap()
	release(r.fd)
	return errors.Join(err, c.file.Close())
}
