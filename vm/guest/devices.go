package guest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"testbed/vm/channel"
)

// devices are what the guest has of its host: shared memory, and a device whose
// register halts the machine.
type devices struct {
	channel *channel.Channel
	pvpanic []byte
}

func openDevices() (*devices, error) {
	memory, err := mapFile("/dev/mem", channel.GuestRAM, channel.Size)
	if err != nil {
		return nil, fmt.Errorf("map the channel: %w", err)
	}
	c, err := channel.New(memory)
	if err != nil {
		return nil, err
	}
	pvpanic, err := mapPVPanic()
	return &devices{c, pvpanic}, err
}

// halt stops the machine within this very instruction (QEMU, docs/specs/
// pvpanic.rst; -action panic=pause). It returns when the host lets it go on.
func (d *devices) halt() {
	const panicked = 1
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&d.pvpanic[0])), panicked)
}

// mapPVPanic maps the register of pvpanic-pci.
func mapPVPanic() ([]byte, error) {
	const vendor, device = "0x1b36", "0x0011" // Red Hat's, docs/specs/pci-ids.rst
	found, err := filepath.Glob("/sys/bus/pci/devices/*")
	if err != nil {
		return nil, err
	}
	for _, dir := range found {
		if attribute(dir, "vendor") != vendor || attribute(dir, "device") != device {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, "enable"), []byte("1"), 0); err != nil {
			return nil, fmt.Errorf("enable pvpanic: %w", err)
		}
		return mapFile(filepath.Join(dir, "resource0"), 0, os.Getpagesize())
	}
	return nil, errors.New("the machine has no pvpanic device")
}

func attribute(dir, name string) string {
	b, _ := os.ReadFile(filepath.Join(dir, name))
	return strings.TrimSpace(string(b))
}

func mapFile(path string, offset int64, size int) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return unix.Mmap(int(f.Fd()), offset, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}
