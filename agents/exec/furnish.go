package exec

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// scratch are directories that most systems have; the first one is hidden by a
// tmpfs for a moment, in the program's own mount namespace alone.
var scratch = []string{"/mnt", "/media", "/srv", "/opt", "/tmp"}

// furnish gives the calling thread's mount and UTS namespaces the node's host
// name and name service files. A file that the host lacks can't be replaced and
// is left out.
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
	for name, content := range map[string]string{
		"hosts":         hosts(n),
		"resolv.conf":   "",
		"nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n",
		"hostname":      n.Name + "\n",
	} {
		if err := replaceFile(dir, "/etc/"+name, content); err != nil {
			return err
		}
	}
	// /sys/class/net shows the namespace of who mounted it. Where a fresh sysfs
	// is forbidden the old one stays.
	_ = unix.Mount("sysfs", "/sys", "sysfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
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
