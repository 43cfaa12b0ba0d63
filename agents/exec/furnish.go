package exec

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"testbed/topo/sandbox"
)

const etc = "/etc"

// scratch are directories that most systems have; the first one is hidden by a
// tmpfs for a moment, in the program's own mount namespace alone.
var scratch = []string{"/mnt", "/media", "/srv", "/opt", "/tmp"}

// Remedy is what to do where programs can't be furnished.
const Remedy = "Run testbed as root, or, in a container, allow it to mount (docker run --privileged, or --security-opt seccomp=unconfined --security-opt apparmor=unconfined)."

// FurnishError says that a program's surroundings could not be made: its own
// mounts, its host name, its files. The program was not started.
type FurnishError struct {
	Node string
	Err  error
}

// Error names the node and what could not be made.
func (f *FurnishError) Error() string { return fmt.Sprintf("furnish node %s: %v", f.Node, f.Err) }

// Unwrap is what the kernel said.
func (f *FurnishError) Unwrap() error { return f.Err }

// Furnish makes a program's surroundings and drops them again. The error is a
// *FurnishError if programs can't run in the node, and a *sandbox.Unavailable as
// well if that is this host's doing.
func Furnish(n Node) error { return inFurnished(n, func() error { return nil }) }

// inFurnished runs f on a thread that is in the furnished node.
func inFurnished(n Node, f func() error) error {
	began := false
	err := n.NS.DoUnshared(func() error {
		if err := furnish(n); err != nil {
			return err
		}
		began = true
		return f()
	})
	if err != nil && !began {
		return unfurnished(n, err)
	}
	return err
}

// unfurnished is a *FurnishError, inside a *sandbox.Unavailable where the host
// forbids what furnishing needs.
func unfurnished(n Node, err error) error {
	f := &FurnishError{Node: n.Name, Err: err}
	for _, forbids := range []error{unix.EPERM, unix.EACCES, unix.EROFS, unix.ENOSYS, unix.ENODEV} {
		if errors.Is(err, forbids) {
			return &sandbox.Unavailable{Missing: "mounts and host names of a program's own", Err: f, Remedy: Remedy}
		}
	}
	return f
}

// furnish gives the calling thread's mount and UTS namespaces the node's host
// name and name service files.
func furnish(n Node) error {
	if err := unix.Sethostname([]byte(n.Name)); err != nil {
		return fmt.Errorf("set host name: %w", err)
	}
	dir, err := mountScratch()
	if err != nil {
		return err
	}
	// The binds stay when the tmpfs that they come from is detached.
	defer unix.Unmount(dir, unix.MNT_DETACH)
	if err := replaceFiles(dir, map[string]string{
		"hosts":         hosts(n),
		"resolv.conf":   resolvConf(n),
		"nsswitch.conf": "passwd: files\ngroup: files\nhosts: " + hostsFrom(n) + "\nservices: files\nprotocols: files\n",
		"hostname":      n.Name + "\n",
	}); err != nil {
		return err
	}
	if err := trust(dir, n.Trust); err != nil {
		return err
	}
	// /sys/class/net shows the namespace of who mounted it. Where a fresh sysfs
	// is forbidden the old one stays.
	_ = unix.Mount("sysfs", "/sys", "sysfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	return nil
}

// bundles are where systems keep the certificates that programs trust (crypto/x509's
// list for Linux).
var bundles = []string{
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
	"/etc/pki/tls/cacert.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem",
}

// trust binds certificates over the bundles that are there.
func trust(scratch string, certificates []byte) error {
	for _, b := range bundles {
		if certificates == nil {
			break
		}
		if err := replaceFile(scratch, b, string(certificates)); err != nil {
			return err
		}
	}
	return nil
}

// replaceFiles gives /etc other files. Those that are there are bound over. Where
// there is none to bind over of those that names depend on, /etc is replaced as a
// whole; of the others a missing one is left out.
func replaceFiles(scratch string, files map[string]string) error {
	for _, needed := range []string{"hosts", "resolv.conf"} {
		if _, err := os.Stat(etc + "/" + needed); err != nil && files[needed] != "" {
			return replaceFolder(scratch, files)
		}
	}
	for name, content := range files {
		if err := replaceFile(scratch, etc+"/"+name, content); err != nil {
			return err
		}
	}
	return nil
}

// mountScratch mounts a tmpfs where there is a directory for it.
func mountScratch() (dir string, err error) {
	for _, dir = range scratch {
		if err = unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=1m,mode=0755"); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("mount tmpfs: %w", err)
}

// replaceFile binds a file with other content over one that exists.
func replaceFile(scratch, path, content string) error {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil
	}
	source := filepath.Join(scratch, filepath.Base(path))
	if err := os.WriteFile(source, []byte(content), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind over %s: %w", target, err)
	}
	return nil
}

// hosts is the node's /etc/hosts (hosts(5)).
func hosts(n Node) string {
	var b strings.Builder
	for _, h := range n.Hosts {
		fmt.Fprintf(&b, "%s\t%s\n", h.Addr, h.Name)
	}
	return b.String()
}

// hostsFrom is where nsswitch.conf(5) has names looked up.
func hostsFrom(n Node) string {
	if len(n.Nameservers) == 0 {
		return "files"
	}
	return "files dns"
}

// resolvConf is the node's /etc/resolv.conf, empty where nobody is asked.
func resolvConf(n Node) string {
	if len(n.Nameservers) == 0 {
		return ""
	}
	var b strings.Builder
	for _, a := range n.Nameservers {
		fmt.Fprintf(&b, "nameserver %s\n", a)
	}
	fmt.Fprintf(&b, "options timeout:%d attempts:%d\n", int(n.Stub.Timeout/time.Second), n.Stub.Attempts)
	return b.String()
}
