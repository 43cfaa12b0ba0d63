// Package machine does a program's jobs on the virtual clock. A guest is booted
// once, with the running program as its first process, and saved where it waits
// for a job; each job goes on from there in a machine of its own. So every job
// begins in the same state, whatever was done before it, and gives the same
// result; and none of them waits for a boot.
package machine

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"testbed/vm"
	"testbed/vm/channel"
	"testbed/vm/kernel"
	"testbed/vm/qemu"
)

// Options for Open.
type Options struct {
	Kernel   kernel.Kernel
	Emulator *qemu.Emulator
	// Deadline bounds how long, on the host's clock, a boot or a job may take,
	// whatever happens in the guest. Zero is DefaultDeadline.
	Deadline time.Duration
	// OnBoot is called before a guest is booted because no snapshot of it is
	// there. May be nil.
	OnBoot func(kernel.Kernel)
	// Fresh boots a guest for this Machine alone and leaves no snapshot.
	Fresh bool
}

// DefaultDeadline is far beyond what a boot or a job takes on a busy machine.
const DefaultDeadline = 5 * time.Minute

// Machine does jobs. Its methods are safe for concurrent use.
type Machine struct {
	o        Options
	snapshot *snapshot
}

// Open finds or makes the snapshot of the running program's guest. The caller
// closes the machine.
func Open(ctx context.Context, o Options) (*Machine, error) {
	if o.Deadline == 0 {
		o.Deadline = DefaultDeadline
	}
	s, err := findSnapshot(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("prepare the virtual machine with Linux %s: %w", o.Kernel.Release, err)
	}
	return &Machine{o, s}, nil
}

// Kernel is the guest's.
func (m *Machine) Kernel() kernel.Kernel { return m.o.Kernel }

// Close gives the snapshot up. It stays for others unless it was Fresh.
func (m *Machine) Close() error { return m.snapshot.close() }

// Do does a job and returns its exit code. onRecord, which may be nil, is called
// with each record but the last as it comes, from this goroutine; its error ends
// the job. An error is the machine's own; a *qemu.GuestError has its console.
func (m *Machine) Do(ctx context.Context, job *vm.Job, onRecord func(vm.Record) error) (int, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, m.o.Deadline, fmt.Errorf("the guest was not done after %v", m.o.Deadline))
	defer cancel()
	encoded, err := channel.EncodeJob(job)
	if err != nil {
		return 0, err
	}
	shared, err := newMemory()
	if err != nil {
		return 0, err
	}
	defer shared.close()
	if err := shared.channel.PutJob(encoded); err != nil {
		return 0, err
	}
	p, err := m.resume(ctx, shared, job.Seed)
	if err != nil {
		return 0, err
	}
	defer p.Close()
	r := &records{reader: shared.channel.Reader(), each: onRecord}
	err = p.AwaitHalt(ctx, r.drain)
	if err == nil {
		err = r.drain()
	}
	switch {
	case err != nil:
		return 0, err
	case r.failure != "":
		return 0, fmt.Errorf("the guest failed: %s", r.failure)
	case !r.ended:
		return 0, &qemu.GuestError{Err: fmt.Errorf("the guest halted in the middle of its job"), Console: p.Console()}
	}
	return r.code, nil
}

// resume starts a machine that goes on from the snapshot.
func (m *Machine) resume(ctx context.Context, shared *memory, seed uint64) (*qemu.Process, error) {
	state, err := m.snapshot.openState()
	if err != nil {
		return nil, err
	}
	defer state.Close()
	p, err := m.o.Emulator.Start(qemu.Machine{
		RAM: m.snapshot.ram, RAMSize: channel.GuestRAM, Channel: shared.file, ChannelSize: channel.Size,
		State: state, Seed: seed,
	})
	if err != nil {
		return nil, err
	}
	if err := p.Greet(ctx); err != nil {
		p.Close()
		return nil, err
	}
	if err := p.Resume(ctx); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// records hands on what comes from a guest, and keeps how it ended.
type records struct {
	reader  *channel.Reader
	each    func(vm.Record) error
	ended   bool
	code    int
	failure string
}

func (r *records) drain() error {
	for !r.ended {
		rec, ok, err := r.reader.Next()
		if err != nil || !ok {
			return err
		}
		switch rec.Kind {
		case vm.Ended:
			r.ended = true
			if len(rec.Data) == 1 {
				r.code = int(rec.Data[0])
			}
		case vm.Failed:
			r.ended, r.failure = true, string(rec.Data)
		default:
			if r.each == nil {
				continue
			}
			if err := r.each(rec); err != nil {
				return err
			}
		}
	}
	return nil
}

// memory is a channel without a name, for one machine.
type memory struct {
	file    *os.File
	mapped  []byte
	channel *channel.Channel
}

func newMemory() (*memory, error) {
	fd, err := unix.MemfdCreate("channel", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make shared memory: %w", err)
	}
	m := &memory{file: os.NewFile(uintptr(fd), "channel")}
	if err := m.file.Truncate(channel.Size); err != nil {
		m.close()
		return nil, fmt.Errorf("make shared memory: %w", err)
	}
	if m.mapped, err = unix.Mmap(fd, 0, channel.Size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		m.close()
		return nil, fmt.Errorf("map shared memory: %w", err)
	}
	m.channel, err = channel.New(m.mapped)
	return m, err
}

func (m *memory) close() {
	if m.mapped != nil {
		_ = unix.Munmap(m.mapped)
	}
	m.file.Close()
}
