// Package kernel keeps the Linux kernels that a guest with a virtual clock boots:
// it finds them, fetches them from Debian's archive, and reads their modules.
package kernel

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Source says where a kernel was found.
type Source string

// The sources.
const (
	// FromCache is a kernel that was fetched into the store.
	FromCache Source = "cache"
	// FromBoot is a kernel that is installed on the host.
	FromBoot Source = "boot"
	// FromPath is a kernel that was named by its path.
	FromPath Source = "path"
)

// Kernel is an x86-64 kernel on disk.
type Kernel struct {
	// Version is the upstream version, such as 6.1.192, as far as the image tells
	// it: Debian's release 6.1.0-56-cloud-amd64 does not.
	Version string `json:"version"`
	// Release is what uname -r prints.
	Release string `json:"release"`
	// Build is what uname -v prints, after who built it: with the date, it tells two
	// kernels of one release apart.
	Build string `json:"build"`
	// Image is the path of the bzImage.
	Image string `json:"image"`
	// Modules is the path of the folder lib/modules/RELEASE. It is empty if there
	// is none.
	Modules string `json:"modules"`
	Source  Source `json:"source"`
}

// Required are the modules, or built-in parts, without which a guest can't run
// scenarios: the links, the queueing disciplines that emulate them, sockets, and
// what firewalls and NAT are made of.
var Required = []string{
	"veth", "sch_netem", "sch_ingress", "cls_matchall", "act_mirred", "act_police", "af_packet", "ipv6", "tcp_cubic",
	"nf_tables", "nft_chain_nat", "nft_ct", "nft_limit", "nft_masq", "nft_nat", "nft_numgen", "nft_redir", "nft_reject_inet", "nf_conntrack",
}

// Lacks are those of the names that the kernel has neither as a module nor built
// in.
func (k Kernel) Lacks(names ...string) ([]string, error) {
	t, err := k.tree()
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, n := range names {
		if n = canonical(n); !t.builtin[n] && t.path[n] == "" {
			missing = append(missing, n)
		}
	}
	return missing, nil
}

// Size is how much the image and the modules take on disk, in bytes.
func (k Kernel) Size() (int64, error) {
	info, err := os.Stat(k.Image)
	if err != nil {
		return 0, err
	}
	n := info.Size()
	if k.Modules == "" {
		return n, nil
	}
	err = filepath.WalkDir(k.Modules, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	return n, err
}

// Config is the value of an option in the kernel's configuration, such as "250"
// of CONFIG_HZ, "y", "m", or a quoted string; empty if it is not set. The error
// is fs.ErrNotExist where the kernel came without its configuration.
func (k Kernel) Config(option string) (string, error) {
	var missing error
	for _, path := range k.configPaths() {
		v, err := readConfig(path, option)
		if !errors.Is(err, fs.ErrNotExist) {
			return v, err
		}
		missing = err
	}
	return "", missing
}

// configPaths are where distributions put a kernel's configuration.
func (k Kernel) configPaths() []string {
	paths := []string{filepath.Join(filepath.Dir(k.Image), "config-"+k.Release)}
	if k.Modules != "" {
		paths = append(paths, filepath.Join(k.Modules, "config"))
	}
	return paths
}

func readConfig(path, option string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read the kernel's configuration: %w", err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		if name, value, ok := strings.Cut(s.Text(), "="); ok && name == option {
			return value, nil
		}
	}
	return "", s.Err()
}
