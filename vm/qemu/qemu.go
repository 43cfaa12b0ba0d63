// Package qemu runs virtual machines whose clock is virtual: QEMU's software
// emulation counts instructions (-icount), and jumps over the time that the guest
// is idle (sleep=off).
package qemu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"testbed/topo/sandbox"
	"testbed/vm"
)

// Program is the emulator's name; the variable Override names another one.
const (
	Program  = "qemu-system-x86_64"
	Override = "TESTBED_QEMU"
)

// Emulator is an installed QEMU.
type Emulator struct {
	Path string
	// Identity tells this build from others: path, size and time.
	Identity string
}

// Find looks for the emulator. Where there is none, the error is a
// *sandbox.Unavailable.
func Find() (*Emulator, error) {
	name := Program
	if o := os.Getenv(Override); o != "" {
		name = o
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return nil, &sandbox.Unavailable{Missing: "QEMU for the virtual clock", Err: err,
			Remedy: "Install it (Debian, Ubuntu: apt install qemu-system-x86; Fedora: dnf install qemu-system-x86; Arch: pacman -S qemu-system-x86), or name it in " + Override + "."}
	}
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	return &Emulator{path, fmt.Sprintf("%s %d %d", path, st.Size(), st.ModTime().UnixNano())}, nil
}

// Version is what the emulator says of itself, in one line.
func (e *Emulator) Version(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, e.Path, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("run %s --version: %w", e.Path, err)
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return first, nil
}

// Machine is what a virtual machine is made of. The files stay the caller's.
type Machine struct {
	// Kernel and Initrd are paths. A machine that goes on from a saved state needs
	// neither, and would read them for nothing.
	Kernel, Initrd string
	// RAM is the guest's memory. Unless Keep is set, what the guest writes is its
	// own and the file stays as it is.
	RAM     *os.File
	RAMSize int
	Keep    bool
	// Channel is memory behind RAM that the guest shares with the host.
	Channel     *os.File
	ChannelSize int
	// State is a saved state to go on from; nil boots.
	State *os.File
	// Seed drives the processor's random numbers.
	Seed uint64
}

// The descriptors that the emulator inherits.
const (
	monitorFD = 3 + iota
	ramFD
	channelFD
	consoleFD
	stateFD
)

// noRepGood has the kernel take loops of moves in place of REP STOS and REP MOVS, which
// QEMU executes byte by byte: bit 16 of word 3 in asm/cpufeatures.h,
// X86_FEATURE_REP_GOOD, which Linux sets by the processor's family alone. CPU hides the
// other such feature, ERMS, from programs as well.
const noRepGood = "clearcpuid=112"

// commandLine is the kernel's: no clock but the processor's, no randomness of its
// own, and an end in place of a hang.
func (m Machine) commandLine() string {
	return strings.Join([]string{
		fmt.Sprintf("tsc_early_khz=%d", vm.Speed*1_000_000), "tsc=reliable", "clocksource=tsc", "pmtmr=0", "lpj=4000000", "idle=halt",
		noRepGood, "nokaslr", "norandmaps", "random.trust_cpu=on", "mitigations=off", "numa=off", "nowatchdog",
		"console=ttyS0", "8250.nr_uarts=1", "quiet", "panic=-1", "oops=panic",
		fmt.Sprintf("memmap=%dM$%dM", m.ChannelSize>>20, m.RAMSize>>20),
		vm.Marker + "=1",
	}, " ")
}

// args are the emulator's arguments. A machine that goes on must be made of the
// same devices as the one that was saved, and expect of its state no more than Save
// writes: no configuration, no description.
func (m Machine) args() []string {
	share := "off"
	if m.Keep {
		share = "on"
	}
	args := []string{
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-M", "pc,usb=off,vmport=off,smbus=off,hpet=off,suppress-vmdesc=on", "-global", "migration.send-configuration=off", "-accel", "tcg,thread=single", "-cpu", CPU,
		"-icount", clock, "-rtc", "base=" + vm.Epoch.Format("2006-01-02T15:04:05") + ",clock=vm",
		"-seed", fmt.Sprint(m.Seed),
		"-m", fmt.Sprintf("%dM", (m.RAMSize+m.ChannelSize)>>20),
		"-object", fmt.Sprintf("memory-backend-file,id=ram,size=%dM,mem-path=/proc/self/fd/%d,share=%s", m.RAMSize>>20, ramFD, share),
		"-object", fmt.Sprintf("memory-backend-file,id=channel,size=%dM,mem-path=/proc/self/fd/%d,share=on", m.ChannelSize>>20, channelFD),
		"-numa", "node,memdev=ram", "-numa", "node,memdev=channel",
		"-device", "pvpanic-pci", "-action", "panic=pause",
		"-chardev", fmt.Sprintf("file,id=console,path=/proc/self/fd/%d", consoleFD), "-serial", "chardev:console",
		"-chardev", fmt.Sprintf("socket,id=monitor,fd=%d", monitorFD), "-mon", "chardev=monitor,mode=control",
	}
	if m.State != nil {
		return append(args, "-incoming", "defer")
	}
	return append(args, "-kernel", m.Kernel, "-append", m.commandLine(), "-initrd", m.Initrd)
}

// clock is what makes time: one instruction is one nanosecond, and while the processor is
// idle the next timer is due at once.
//
// Each round of QEMU's main loop looks whether the processor is idle, and then puts the
// clock forward (icount_start_warp_timer in softmmu/icount.c). The processor is taken to
// be idle from the HLT instruction on, but what it has executed since it last read its
// clock is accounted for a moment later, by the processor's thread
// (icount_process_data). A main loop that looks in between puts the clock too far, by a
// few thousand instructions; whether it does hangs on how the host schedules the two
// threads. While QEMU records what happens, for a replay that nobody asks for, it keeps
// them apart (docs/devel/replay.rst, Locking and thread synchronisation).
const clock = "shift=0,sleep=off,rr=record,rrfile=" + os.DevNull

// CPU is the guest's processor: all that QEMU's software emulation can do well, under
// the name of one whose timer's frequency Linux knows without measuring it
// (arch/x86/kernel/tsc_msr.c, freq_desc_byt). Measuring it, by busy waiting, takes
// longer than all the rest of a boot. It is not that frequency anyway: QEMU counts one
// instruction as one nanosecond at least, and its time stamp counter and timer count
// these. The guest is told that its counter has vm.Speed GHz, and before it gets a
// job also how fast its timer is, so that what its programs compute takes about as
// long as on a processor of today. Linux can describe a timer of less than 16 GHz.
const CPU = "max,erms=off,vendor=GenuineIntel,family=6,model=55,stepping=3"

// errEnded is the end of the emulator where it should have gone on.
var errEnded = errors.New("the virtual machine ended")
