package guest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"testbed/vm"
)

// mounts are those that programs expect, and the kernel's own interfaces that the
// testbed uses.
var mounts = []struct {
	kind, at string
	flags    uintptr
	data     string
	optional bool
}{
	{"proc", "/proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, "", false},
	{"sysfs", "/sys", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, "", false},
	{"devtmpfs", "/dev", unix.MS_NOSUID, "", false},
	{"devpts", "/dev/pts", unix.MS_NOSUID | unix.MS_NOEXEC, "ptmxmode=0666", true},
	{"tmpfs", "/dev/shm", unix.MS_NOSUID | unix.MS_NODEV, "", false},
	{"tmpfs", "/tmp", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777", false},
	{"tmpfs", "/run", unix.MS_NOSUID | unix.MS_NODEV, "mode=0755", false},
	{"tmpfs", "/mnt", unix.MS_NOSUID | unix.MS_NODEV, "mode=0755", false},
	{"tracefs", "/sys/kernel/tracing", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, "", true},
	{"bpf", "/sys/fs/bpf", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, "", true},
}

func mountAll() error {
	for _, m := range mounts {
		err := os.MkdirAll(m.at, 0o755)
		if err == nil {
			err = unix.Mount(m.kind, m.at, m.kind, m.flags, m.data)
		}
		if err != nil && !m.optional {
			return fmt.Errorf("mount %s on %s: %w", m.kind, m.at, err)
		}
	}
	return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
}

// identity are the files of /etc that programs expect.
var identity = map[string]string{
	"passwd":        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n",
	"group":         "root:x:0:\nnogroup:x:65534:\n",
	"hosts":         "127.0.0.1\tlocalhost\n::1\tlocalhost\n",
	"resolv.conf":   "",
	"nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n",
	"hostname":      "testbed\n",
}

// idle are settings with which the kernel of an idle guest does not wake for its own
// housekeeping, since every time costs the host some work: hours pass in seconds then.
var idle = map[string]string{
	"vm/compaction_proactiveness": "0",     // kcompactd looks twice a second (mm/compaction.c); since Linux 5.9
	"vm/stat_interval":            "86400", // counters are added up every second (mm/vmstat.c)
}

// keepIdle makes these settings, those that the kernel has.
func keepIdle() error {
	for name, value := range idle {
		err := os.WriteFile("/proc/sys/"+name, []byte(value), 0)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// settle makes what else a system has: a few files, an environment, a loopback
// interface.
func settle() error {
	for name, content := range identity {
		if err := os.WriteFile(filepath.Join("/etc", name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	for _, dir := range []string{"/root", "/var/tmp", "/var/log", "/etc/ssl/certs"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	for link, to := range map[string]string{"/dev/fd": "/proc/self/fd", "/dev/stdin": "fd/0", "/dev/stdout": "fd/1", "/dev/stderr": "fd/2", "/var/run": "/run"} {
		if err := os.Symlink(to, link); err != nil && !os.IsExist(err) {
			return err
		}
	}
	// A node's programs have what they trust bound over it.
	if err := os.WriteFile("/etc/ssl/certs/ca-certificates.crt", nil, 0o644); err != nil {
		return err
	}
	os.Clearenv()
	for _, e := range []string{"HOME=/root", "USER=root", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "TERM=dumb"} {
		if err := setenv(e); err != nil {
			return err
		}
	}
	if err := os.Chdir("/root"); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte("testbed")); err != nil {
		return fmt.Errorf("set host name: %w", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	return netlink.LinkSetUp(lo)
}

func setenv(pair string) error {
	name, value, ok := strings.Cut(pair, "=")
	if !ok {
		return fmt.Errorf("environment %q is not NAME=value", pair)
	}
	return os.Setenv(name, value)
}

// lay lays a file down.
func lay(f vm.File) error {
	if !filepath.IsAbs(f.Path) {
		return fmt.Errorf("lay down %s: the path is not absolute", f.Path)
	}
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
		return err
	}
	if f.Link != "" {
		if err := os.Symlink(f.Link, f.Path); err != nil && !os.IsExist(err) {
			return err
		}
		return nil
	}
	if f.Mode.IsDir() {
		return os.MkdirAll(f.Path, f.Mode.Perm())
	}
	// A file that is there stays what it is to those who have it mapped: the program
	// itself may run on a library that comes with another one too.
	fresh, err := os.CreateTemp(filepath.Dir(f.Path), ".testbed-")
	if err != nil {
		return err
	}
	_, err = fresh.Write(f.Data)
	if err = errors.Join(err, fresh.Chmod(f.Mode.Perm()), fresh.Close()); err == nil {
		err = os.Rename(fresh.Name(), f.Path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(fresh.Name()))
	}
	return nil
}

// reseed makes everything that the kernel's random number generator says from now
// on follow from a seed (random(4), drivers/char/random.c).
func reseed(seed uint64) error {
	f, err := os.OpenFile("/dev/urandom", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	// struct rand_pool_info: bits of entropy, bytes, and the bytes themselves.
	const size = 32
	var pool [8 + size]byte
	binary.NativeEndian.PutUint32(pool[0:], size*8)
	binary.NativeEndian.PutUint32(pool[4:], size)
	for at := 8; at < len(pool); at += 8 {
		binary.LittleEndian.PutUint64(pool[at:], seed+uint64(at))
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.RNDADDENTROPY, uintptr(unsafe.Pointer(&pool[0]))); errno != 0 {
		return fmt.Errorf("add entropy: %w", errno)
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), rndReseedCRNG, 0); errno != 0 {
		return fmt.Errorf("reseed the kernel's random numbers: %w", errno)
	}
	return nil
}

// rndReseedCRNG is RNDRESEEDCRNG of linux/random.h.
const rndReseedCRNG = 0x5207
