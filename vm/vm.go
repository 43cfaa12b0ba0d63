// Package vm is the vocabulary of the virtual clock: a program's job that is
// done inside a small virtual machine whose clock counts instructions and jumps
// over idle time (QEMU's -icount with sleep=off). It makes no system call; its
// sub-packages find kernels and QEMU, make the machine, and run inside it.
package vm

import (
	"io/fs"
	"time"
)

// Epoch is the wall clock's reading inside every machine when it starts.
var Epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Speed is how many instructions a guest's processor executes in a nanosecond of
// the guest's time, and how many GHz its time stamp counter has.
const Speed = 15

// Marker is the environment variable, set on the guest kernel's command line,
// by which the program knows that it is a guest's first process.
const Marker = "TESTBED_GUEST"

// Where things are in a guest.
const (
	// ManifestPath is the Manifest as JSON.
	ManifestPath = "/etc/testbed/manifest.json"
	// ModulesDir holds the kernel modules, named as in the manifest.
	ModulesDir = "/etc/testbed/modules"
	// ProgramPath is the running program itself.
	ProgramPath = "/init"
)

// Manifest is what the image tells the guest about itself.
type Manifest struct {
	// Modules are file names in ModulesDir in the order of loading.
	Modules []string
}

// Job is what a guest is asked to do, all of it handed over before its clock
// matters.
type Job struct {
	// Seed drives every random choice of the guest's kernel.
	Seed uint64
	// Args are the program's arguments, without its name.
	Args []string
	// Env are NAME=value pairs for the program.
	Env []string
	// Files are laid down in the guest before the program goes on.
	Files []File
	// Payload is the program's own input, whatever it likes.
	Payload []byte
}

// File is one that a job lays down in the guest. Folders above it are made.
type File struct {
	// Path is absolute.
	Path string
	Mode fs.FileMode
	Data []byte
	// Link makes it a symbolic link to that path in place of Data.
	Link string
}

// Kind tells what a record from a guest is.
type Kind byte

// The kinds of records.
const (
	// Ended is the last record of a job; its data is the exit code, one byte.
	Ended Kind = iota + 1
	// Stdout and Stderr are what the program printed.
	Stdout
	Stderr
	// Event is the program's own, whatever it likes.
	Event
	// Failed says that the guest could not begin with the job; its data is why.
	Failed
	// Booting comes before a guest's first halt, at which it is told its Timer; its data
	// is what the kernel takes that for, as JSON.
	Booting
	// Booted comes before its next halt, at which the snapshot is taken. It has no data.
	Booted
)

// Timer is what a guest's kernel thinks of its processor's timer: its limits in
// nanoseconds, and how many ticks a nanosecond has, Mult >> Shift.
type Timer struct {
	MaxDelta, MinDelta uint64
	Mult, Shift        uint32
}

// Record is one message from a guest.
type Record struct {
	Kind Kind
	Data []byte
}
