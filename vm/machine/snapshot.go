package machine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"testbed/vm"
	"testbed/vm/channel"
	"testbed/vm/image"
	"testbed/vm/kernel"
	"testbed/vm/qemu"
)

// layout changes when snapshots of this version are not those of the one before.
const layout = "2"

// unfinished begins the name of a snapshot that is being made.
const unfinished = "unfinished-"

// abandoned is the age at which nobody is making one any more.
const abandoned = time.Hour

// keep is how many snapshots stay, the latest used.
const keep = 8

// snapshot is a guest that waits for its job: its memory and its devices' state.
// Its files stay open: the folder may be another's before this one is done.
type snapshot struct {
	dir        string
	ram, state *os.File
}

// openState is the state from its beginning, whatever became of its name.
func (s *snapshot) openState() (*os.File, error) {
	return os.Open(fmt.Sprintf("/proc/self/fd/%d", s.state.Fd()))
}

func (s *snapshot) close() error { return errors.Join(s.ram.Close(), s.state.Close()) }

// findSnapshot opens the snapshot that the options ask for, and makes it first
// where there is none. Two programs that want the same one wait for each other.
func findSnapshot(ctx context.Context, o Options) (*snapshot, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own executable: %w", err)
	}
	if o.Fresh {
		return freshSnapshot(ctx, o, program)
	}
	kernels, err := kernel.Default()
	if err != nil {
		return nil, err
	}
	store := filepath.Join(filepath.Dir(kernels.Dir), "snapshots")
	if err := os.MkdirAll(store, 0o755); err != nil {
		return nil, fmt.Errorf("make the snapshots' folder: %w", err)
	}
	key, err := keyOf(o, program)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(store, key)
	if s, err := openSnapshot(dir); !isAbsent(err) {
		return s, err
	}
	unlock, err := lock(ctx, dir+".lock")
	if err != nil {
		return nil, err
	}
	defer unlock()
	if s, err := openSnapshot(dir); !isAbsent(err) {
		return s, err
	}
	making, err := os.MkdirTemp(store, unfinished)
	if err != nil {
		return nil, err
	}
	if err := makeSnapshot(ctx, o, program, making); err != nil {
		return nil, errors.Join(err, os.RemoveAll(making))
	}
	// What may be there is damaged.
	if err := errors.Join(os.RemoveAll(dir), os.Rename(making, dir)); err != nil {
		return nil, errors.Join(err, os.RemoveAll(making))
	}
	prune(store)
	return openSnapshot(dir)
}

// freshSnapshot makes one whose files have no names any more once it is there, so that
// they go with who has them open, however that ends.
func freshSnapshot(ctx context.Context, o Options, program string) (s *snapshot, err error) {
	dir, err := os.MkdirTemp("", "testbed-guest-")
	if err != nil {
		return nil, err
	}
	if err = makeSnapshot(ctx, o, program, dir); err == nil {
		s, err = openSnapshot(dir)
	}
	return s, errors.Join(err, os.RemoveAll(dir))
}

// keyOf names a snapshot by all that it depends on.
func keyOf(o Options, program string) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, layout, o.Emulator.Identity, o.Kernel.Release, o.Kernel.Build, o.Kernel.Modules)
	for _, path := range []string{program, o.Kernel.Image} {
		if err := hashFile(h, path); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:12]), nil
}

func hashFile(h io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(h, f)
	return err
}

// makeSnapshot boots a guest and saves it where it first halts.
func makeSnapshot(ctx context.Context, o Options, program, dir string) error {
	if o.OnBoot != nil {
		o.OnBoot(o.Kernel)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.Deadline, fmt.Errorf("the guest was not up after %v", o.Deadline))
	defer cancel()
	initrd, err := image.Build(o.Kernel, program)
	if err != nil {
		return err
	}
	initrdPath := filepath.Join(dir, "initrd")
	if err := os.WriteFile(initrdPath, initrd, 0o644); err != nil {
		return fmt.Errorf("write the image: %w", err)
	}
	defer os.Remove(initrdPath)
	ram, err := os.Create(filepath.Join(dir, "ram"))
	if err != nil {
		return err
	}
	defer ram.Close()
	if err := ram.Truncate(channel.GuestRAM); err != nil {
		return err
	}
	state, err := os.Create(filepath.Join(dir, "state"))
	if err != nil {
		return err
	}
	defer state.Close()
	shared, err := newMemory()
	if err != nil {
		return err
	}
	defer shared.close()
	p, err := o.Emulator.Start(qemu.Machine{
		Kernel: o.Kernel.Image, Initrd: initrdPath, RAM: ram, RAMSize: channel.GuestRAM, Keep: true,
		Channel: shared.file, ChannelSize: channel.Size, Seed: 1,
	})
	if err != nil {
		return err
	}
	defer p.Close()
	if err := boot(ctx, p, ram, shared.channel.Reader()); err != nil {
		return err
	}
	if err := p.Save(ctx, state.Name()); err != nil {
		return err
	}
	p.Close() // nobody writes to the memory any more
	return seal(dir, ram, state)
}

// boot has a guest come to where its snapshot is taken.
func boot(ctx context.Context, p *qemu.Process, ram *os.File, said *channel.Reader) error {
	if err := p.Greet(ctx); err != nil {
		return err
	}
	booting, err := await(ctx, p, said, vm.Booting)
	if err != nil {
		return err
	}
	var timer vm.Timer
	if err := json.Unmarshal(booting.Data, &timer); err != nil {
		return fmt.Errorf("read what the guest says: %w", err)
	}
	if _, err := tellTimer(ram, channel.GuestRAM, timer); err != nil {
		return err
	}
	if err := p.Continue(ctx); err != nil {
		return err
	}
	_, err = await(ctx, p, said, vm.Booted)
	return err
}

// await waits until the guest halts, and returns what it says before it does: a record
// of a kind.
func await(ctx context.Context, p *qemu.Process, said *channel.Reader, kind vm.Kind) (vm.Record, error) {
	if err := p.AwaitHalt(ctx, nil); err != nil {
		return vm.Record{}, err
	}
	r, ok, err := said.Next()
	if err != nil || !ok || r.Kind != kind {
		return vm.Record{}, errors.Join(&qemu.GuestError{Err: errors.New("the guest halted before it was up"), Console: p.Console()}, err)
	}
	return r, nil
}

// lock takes a file's lock. What it returns gives it back.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// prune removes the snapshots that were not used for the longest time. A machine
// that runs on one has its files open, and keeps them.
func prune(store string) {
	entries, err := os.ReadDir(store)
	if err != nil {
		return
	}
	type used struct {
		path string
		at   time.Time
	}
	var all []used
	for _, e := range entries {
		info, err := e.Info()
		path := filepath.Join(store, e.Name())
		switch {
		case err != nil:
		case strings.HasPrefix(e.Name(), unfinished), !e.IsDir():
			if time.Since(info.ModTime()) > abandoned {
				_ = os.RemoveAll(path)
			}
		default:
			all = append(all, used{path, info.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b used) int { return b.at.Compare(a.at) })
	for _, old := range all[min(keep, len(all)):] {
		_ = os.RemoveAll(old.path)
	}
}
