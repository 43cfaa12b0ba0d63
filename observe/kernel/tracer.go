// Package kernel watches the TCP states of sockets where the kernel changes
// them, with the tracepoint sock:inet_sock_set_state.
package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"testbed/observe/record"
	"testbed/topo/sandbox"
)

const (
	tracepoint = "inet_sock_set_state"
	ringBytes  = 1 << 20
	// maxWatched is how many namespaces can be watched at a time.
	maxWatched = 1 << 16
	// maxChanges is how many changes are kept, the latest.
	maxChanges = 200_000
)

// ErrClosed is returned by Wait on a tracer that is closed before the change
// came.
var ErrClosed = errors.New("tracer closed")

// Tracer records the state changes of the TCP sockets of the network namespaces
// that it is told to watch, and looks at no other socket. One serves a whole
// process. Its methods are safe for concurrent use.
type Tracer struct {
	offsets                 offsets
	watched, events, missed *ebpf.Map
	program                 *ebpf.Program
	attached                link.Link
	reader                  *ringbuf.Reader

	flush   sync.Mutex    // held by who waits for flushed
	flushed chan struct{} // the reader has read what was there when asked to
	done    chan struct{} // closed when the reader has ended

	mu      sync.Mutex
	closed  bool
	changes *record.Record[Change]
	last    map[uint64]int // position of each live socket's last change
	lost    uint64
	more    chan struct{} // closed and replaced when changes come
}

// Open attaches the tracer; it watches nothing before Watch. It takes some
// milliseconds and needs CAP_BPF and CAP_PERFMON in the initial user namespace.
// Where these or the kernel's features are missing, the error is a
// *sandbox.Unavailable.
func Open() (*Tracer, error) {
	t := &Tracer{flushed: make(chan struct{}), done: make(chan struct{}), more: make(chan struct{}), changes: record.New[Change](maxChanges), last: map[uint64]int{}}
	if err := t.open(); err != nil {
		t.release()
		return nil, unavailable(err)
	}
	go t.read()
	return t, nil
}

func (t *Tracer) open() (err error) {
	// The cheapest test comes first: an ordinary user reads no BTF.
	t.watched, err = ebpf.NewMap(&ebpf.MapSpec{Name: "testbed_netns", Type: ebpf.Hash, KeySize: 4, ValueSize: 1, MaxEntries: maxWatched, Flags: unix.BPF_F_NO_PREALLOC})
	if err != nil {
		return fmt.Errorf("make map of namespaces: %w", err)
	}
	if t.offsets, err = readOffsets(); err != nil {
		return err
	}
	if t.events, err = ebpf.NewMap(&ebpf.MapSpec{Name: "testbed_events", Type: ebpf.RingBuf, MaxEntries: ringBytes}); err != nil {
		return fmt.Errorf("make ring of events: %w", err)
	}
	if t.missed, err = ebpf.NewMap(&ebpf.MapSpec{Name: "testbed_lost", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1}); err != nil {
		return fmt.Errorf("make counter: %w", err)
	}
	if t.program, err = ebpf.NewProgram(program(t.offsets, t.watched, t.events, t.missed)); err != nil {
		return fmt.Errorf("load program: %w", err)
	}
	if t.reader, err = ringbuf.NewReader(t.events); err != nil {
		return fmt.Errorf("map ring of events: %w", err)
	}
	t.attached, err = link.AttachRawTracepoint(link.RawTracepointOptions{Name: tracepoint, Program: t.program})
	if err != nil {
		return fmt.Errorf("attach to tracepoint %s: %w", tracepoint, err)
	}
	return nil
}

// unavailable tells what the host lacks from what went wrong.
func unavailable(err error) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return &sandbox.Unavailable{Missing: "permission to trace socket states", Err: err,
			Remedy: "Run testbed as root for TCP states from the kernel's tracepoint; otherwise they are derived from the packets."}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, ebpf.ErrNotSupported), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS):
		return &sandbox.Unavailable{Missing: "tracing of socket states", Err: err,
			Remedy: "Use a kernel (5.8 or later) with CONFIG_BPF_SYSCALL, CONFIG_BPF_EVENTS and CONFIG_DEBUG_INFO_BTF; otherwise states are derived from the packets."}
	}
	return err
}

// release gives up what open acquired, last first.
func (t *Tracer) release() error {
	var errs []error
	if t.attached != nil {
		errs = append(errs, t.attached.Close())
	}
	if t.reader != nil {
		errs = append(errs, t.reader.Close())
	}
	if t.program != nil {
		errs = append(errs, t.program.Close())
	}
	for _, m := range []*ebpf.Map{t.missed, t.events, t.watched} {
		if m != nil {
			errs = append(errs, m.Close())
		}
	}
	return errors.Join(errs...)
}

// Watch begins to record the sockets of a network namespace, named by its inode
// number.
func (t *Tracer) Watch(netns uint64) error {
	if err := t.watched.Put(uint32(netns), uint8(1)); err != nil {
		return fmt.Errorf("watch namespace %d: %w", netns, err)
	}
	return nil
}

// Forget ends what Watch began. What was recorded stays.
func (t *Tracer) Forget(netns uint64) error {
	if err := t.watched.Delete(uint32(netns)); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("forget namespace %d: %w", netns, err)
	}
	return nil
}

// read moves events out of the ring until Close.
func (t *Tracer) read() {
	defer close(t.done)
	var record ringbuf.Record
	for {
		err := t.reader.ReadInto(&record)
		switch {
		case errors.Is(err, ringbuf.ErrFlushed):
			t.flushed <- struct{}{}
		case err != nil:
			return
		default:
			t.keep(t.decode(record.RawSample))
		}
	}
}

// drain returns when everything that the kernel has recorded up to now is in
// t.changes.
func (t *Tracer) drain() {
	t.flush.Lock()
	defer t.flush.Unlock()
	if t.reader.Flush() != nil {
		return
	}
	select {
	case <-t.flushed:
	case <-t.done:
	}
}

// Mark is a point in the record: Since(Mark()) holds what changes from now on.
func (t *Tracer) Mark() int {
	t.drain()
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.changes.Mark()
}

// Since returns the changes after a mark (0 for all) that are still kept, of all
// watched namespaces, up to now, in order of time. A change whose effect the caller has
// seen, such as a connect that returned, is among them.
func (t *Tracer) Since(mark int) []Change {
	t.drain()
	t.mu.Lock()
	defer t.mu.Unlock()
	cs := slices.Clone(t.changes.Since(mark))
	slices.SortStableFunc(cs, func(a, b Change) int { return a.Time.Compare(b.Time) })
	return cs
}

// Wait returns the first change after a mark that meets the condition, as soon
// as it happened. It fails when the context ends first, or with ErrClosed.
func (t *Tracer) Wait(ctx context.Context, mark int, meets func(Change) bool) (Change, error) {
	t.drain()
	for {
		t.mu.Lock()
		cs, more := slices.Clone(t.changes.Since(mark)), t.more
		t.mu.Unlock()
		if i := slices.IndexFunc(cs, meets); i >= 0 {
			return cs[i], nil
		}
		mark += len(cs)
		select {
		case <-more:
		case <-t.done:
			return Change{}, ErrClosed
		case <-ctx.Done():
			return Change{}, fmt.Errorf("wait for a state: %w", ctx.Err())
		}
	}
}

// Forgotten is the number of changes after a mark that are no longer kept.
func (t *Tracer) Forgotten(mark int) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return uint64(t.changes.Forgotten(mark))
}

// Lost is the number of changes that happened in watched namespaces and were not
// recorded.
func (t *Tracer) Lost() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.lost
	var missed uint64
	if !t.closed && t.missed.Lookup(uint32(0), &missed) == nil {
		n += missed
	}
	return n
}

// Close detaches the tracer, once what happened is recorded; the record stays
// readable. Further calls do nothing.
func (t *Tracer) Close() error {
	t.drain()
	lost := t.Lost()
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed, t.lost = true, lost
	t.mu.Unlock()
	err := t.release()
	<-t.done
	return err
}

// Supported tells whether Open would succeed, at less cost: nil, or a
// *sandbox.Unavailable.
func Supported() error {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		return unavailable(fmt.Errorf("make map: %w", err))
	}
	defer m.Close()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.RawTracepoint, Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}, License: "Dual MIT/GPL"})
	if err != nil {
		return unavailable(fmt.Errorf("load program: %w", err))
	}
	return p.Close()
}
