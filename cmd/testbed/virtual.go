package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"testbed/scenarios/spec"
	"testbed/vm/kernel"
	"testbed/vm/machine"
	"testbed/vm/qemu"
)

// clockFlags choose the clock and, for the virtual one, the kernel and the seed.
type clockFlags struct {
	clock   string
	kernels []string
	seed    string
	// deadline bounds what a guest may take on the host's clock.
	deadline time.Duration
	fresh    bool
}

// add adds the flags to a command.
func (f *clockFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.clock, "clock", "auto", "host: real time; virtual: a guest whose clock jumps over idle time; auto: what the file says, else host")
	c.Flags().StringSliceVar(&f.kernels, "kernel", nil, "Linux versions or paths for the virtual clock, as in `6.1,6.12`; see testbed kernel list")
	c.Flags().StringVar(&f.seed, "seed", "", "a `number` that takes the place of every scenario's seed, and drives the guest kernel's random choices too")
	c.Flags().DurationVar(&f.deadline, "deadline", machine.DefaultDeadline, "the most that a guest may take for a boot or a scenario, in real time")
	c.Flags().BoolVar(&f.fresh, "fresh", false, "boot the guest anew, and leave no snapshot")
	completeWords(c, "clock", "auto", "host", "virtual")
}

// check refuses words that no flag knows.
func (f *clockFlags) check() error {
	if err := oneOf("clock", f.clock, []string{"auto", "host", "virtual"}); err != nil {
		return err
	}
	if _, err := f.seedValue(); err != nil {
		return err
	}
	if f.clock == "host" && len(f.kernels) > 0 {
		return usage("--kernel is for the virtual clock: the host's clock runs on the host's kernel")
	}
	if f.deadline < 0 {
		return usage("--deadline %v: it takes 0 or more", f.deadline)
	}
	for _, k := range f.kernels {
		if strings.TrimSpace(k) == "" {
			return usage("--kernel %q: it takes versions or paths with commas between them, as in --kernel 6.1,6.12", strings.Join(f.kernels, ","))
		}
	}
	return nil
}

// seedValue is the seed that takes the place of the scenarios' own; nil for none.
func (f *clockFlags) seedValue() (*uint64, error) {
	if f.seed == "" {
		return nil, nil
	}
	n, err := strconv.ParseUint(f.seed, 10, 64)
	if err != nil {
		return nil, usage("--seed %s: it takes a whole number from 0 to %d", f.seed, uint64(1<<64-1))
	}
	return &n, nil
}

// reseed gives every scenario the seed that the flags name.
func (f *clockFlags) reseed(list []*spec.Scenario) error {
	seed, err := f.seedValue()
	if err != nil || seed == nil {
		return err
	}
	for _, s := range list {
		s.Reseed(*seed)
	}
	return nil
}

// isVirtual tells which clock a scenario runs on: the one that the flags name, or
// that its file names, or the host's.
func (f *clockFlags) isVirtual(s *spec.Scenario) bool {
	if f.clock == "auto" {
		return s.Clock == spec.VirtualClock || s.Clock == "" && len(f.kernels) > 0
	}
	return f.clock == "virtual"
}

// byClock parts scenarios by the clock that they run on.
func (f *clockFlags) byClock(list []*spec.Scenario) (host, virtual []*spec.Scenario) {
	for _, s := range list {
		if f.isVirtual(s) {
			virtual = append(virtual, s)
		} else {
			host = append(host, s)
		}
	}
	return host, virtual
}

// machinesFor is machines, and none where no scenario needs one.
func (f *clockFlags) machinesFor(ctx context.Context, list []*spec.Scenario) ([]*machine.Machine, func() error, error) {
	if len(list) == 0 {
		return nil, func() error { return nil }, nil
	}
	return f.machines(ctx)
}

// machines opens one for each kernel that the flags name, or for the default one.
// The caller calls close.
func (f *clockFlags) machines(ctx context.Context) (list []*machine.Machine, close func() error, err error) {
	close = func() (err error) {
		for _, m := range list {
			err = errors.Join(err, m.Close())
		}
		return err
	}
	names := f.kernels
	if len(names) == 0 {
		names = []string{""}
	}
	emulator, err := qemu.Find()
	if err != nil {
		return nil, close, err
	}
	for _, name := range names {
		k, err := kernel.Find(name)
		if err != nil {
			return list, close, kernelError(err)
		}
		if slices.ContainsFunc(list, func(m *machine.Machine) bool { return m.Kernel().Image == k.Image }) {
			continue // named twice
		}
		lacks, err := k.Lacks(kernel.Required...)
		if err != nil {
			return list, close, kernelError(err)
		}
		if len(lacks) > 0 {
			err := fmt.Errorf("kernel %s can't run the virtual clock: it lacks %s\nGet one that can: testbed kernel fetch 6.12", k.Release, strings.Join(lacks, ", "))
			return list, close, &codeError{code: exitUnavailable, err: err}
		}
		m, err := machine.Open(ctx, machine.Options{
			Kernel: k, Emulator: emulator, Deadline: f.deadline, Fresh: f.fresh,
			OnBoot: func(k kernel.Kernel) {
				fmt.Fprintf(os.Stderr, "Booting Linux %s once, for its snapshot…\n", k.Release)
			},
		})
		if ctx.Err() != nil {
			err = &codeError{code: exitInterrupted, err: errors.New("interrupted")}
		}
		if err != nil {
			return list, close, err
		}
		list = append(list, m)
	}
	return list, close, nil
}
