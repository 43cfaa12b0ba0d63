// Package guest is the program as the first process of a virtual machine: it
// sets the machine up, halts at the point where its snapshot is taken, and does
// the job that it finds when it goes on.
package guest

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"sync"

	"golang.org/x/sys/unix"

	"testbed/vm"
	"testbed/vm/channel"
)

// Program is what a program does in a guest.
type Program struct {
	// Warm is called before the snapshot is taken; what it loads and initializes
	// costs a job nothing. It must not open a TCP socket: the kernel draws its
	// secrets of TCP at the first one, and they must follow from the job's seed.
	// May be nil.
	Warm func() error
	// Do does a job and returns its exit code. What the program prints meanwhile
	// on standard output and standard error goes to the host, and so does what it
	// emits.
	Do func(job *vm.Job, emit func(vm.Record) error) int
}

// heap is how much memory the program takes before it collects garbage, in bytes:
// a collection takes the guest's only processor for milliseconds of its time.
const heap = channel.GuestRAM / 2

// Inside tells whether the program is the first process of a guest.
func Inside() bool {
	if os.Getpid() != 1 || os.Getenv(vm.Marker) == "" {
		return false
	}
	_, err := os.Stat(vm.ManifestPath)
	return err == nil
}

// Main serves a program as a guest's first process, and then does not return.
// Elsewhere it does nothing. Call it at the beginning of main or TestMain.
func Main(p Program) {
	if !Inside() {
		return
	}
	os.Unsetenv(vm.Marker)
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(heap)
	fmt.Fprintln(os.Stderr, "guest:", serve(p))
	// What is on the console tells the host why; the end of the first process is
	// a panic of the kernel, which ends the machine.
	os.Exit(1)
}

// serve does not come back from its last halt unless something is wrong.
func serve(p Program) error {
	if err := mountAll(); err != nil {
		return err
	}
	dev, err := openDevices()
	if err != nil {
		return err
	}
	if err := booting(dev); err != nil {
		return err
	}
	dev.halt() // the timer is told here
	if err := loadModules(); err != nil {
		return err
	}
	if err := settle(); err != nil {
		return err
	}
	if err := keepIdle(); err != nil {
		return err
	}
	if p.Warm != nil {
		if err := p.Warm(); err != nil {
			return fmt.Errorf("warm up: %w", err)
		}
	}
	if err := prefault(); err != nil {
		return fmt.Errorf("touch the program's memory: %w", err)
	}
	if err := dev.channel.Write(vm.Record{Kind: vm.Booted}); err != nil {
		return err
	}
	begin := chooseStart()
	dev.halt() // the snapshot is taken here
	out := &output{channel: dev.channel}
	code, err := do(p, dev, begin, out)
	if err != nil {
		err = out.write(vm.Record{Kind: vm.Failed, Data: []byte(err.Error())})
	} else {
		err = out.write(vm.Record{Kind: vm.Ended, Data: []byte{byte(code)}})
	}
	if err != nil {
		return err
	}
	dev.halt()
	return fmt.Errorf("the machine went on after its job")
}

// booting tells the host what the kernel takes its timer for.
func booting(dev *devices) error {
	t, err := readTimer()
	if err != nil {
		return err
	}
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return dev.channel.Write(vm.Record{Kind: vm.Booting, Data: b})
}

// do reads the job, makes the guest as it asks, and does it.
func do(p Program, dev *devices, begin start, out *output) (code int, err error) {
	if err := begin.await(); err != nil {
		return 0, err
	}
	encoded, err := dev.channel.Job()
	if err != nil {
		return 0, err
	}
	job, err := channel.DecodeJob(encoded)
	if err != nil {
		return 0, err
	}
	if err := reseed(job.Seed); err != nil {
		return 0, err
	}
	for _, f := range job.Files {
		if err := lay(f); err != nil {
			return 0, err
		}
	}
	for _, e := range job.Env {
		if err := setenv(e); err != nil {
			return 0, err
		}
	}
	os.Args = append(os.Args[:1], job.Args...)
	std, err := redirect(out)
	if err != nil {
		return 0, err
	}
	code = p.Do(job, out.write)
	std.finish()
	if err := out.failed(); err != nil {
		return 0, err
	}
	return code, nil
}

// output serializes records.
type output struct {
	mu      sync.Mutex
	channel *channel.Channel
	err     error
}

func (o *output) write(r vm.Record) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	err := o.channel.Write(r)
	if o.err == nil {
		o.err = err
	}
	return err
}

// failed is the first error that a record met.
func (o *output) failed() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// loadModules loads the kernel modules of the image, in its order.
func loadModules() error {
	b, err := os.ReadFile(vm.ManifestPath)
	if err != nil {
		return err
	}
	var m vm.Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return fmt.Errorf("read %s: %w", vm.ManifestPath, err)
	}
	for _, name := range m.Modules {
		if err := loadModule(vm.ModulesDir + "/" + name); err != nil {
			return fmt.Errorf("load module %s: %w", name, err)
		}
	}
	return nil
}

func loadModule(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil && err != unix.EEXIST {
		return err
	}
	return os.Remove(path)
}
