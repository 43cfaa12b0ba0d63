package kernel

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"testbed/vm/kernel/kerneltest"
)

// releaseName holds for a folder's name that leads nowhere.
var releaseName = regexp.MustCompile(`^[0-9][^/\x00]*$`)

// unpackTo writes files into a folder, as dpkg would.
func unpackTo(t *testing.T, dir string, files []kerneltest.File) {
	t.Helper()
	for _, f := range files {
		path := filepath.Join(dir, f.Name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, f.Content, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// graph is a kernel with modules that need others, one of them twice.
func graph(ext string) kerneltest.Kernel {
	return kerneltest.Kernel{
		Release: "6.12.5-test", Build: "#1 SMP", Ext: ext, Builtin: []string{"af_packet", "tcp-cubic"},
		Modules: map[string]string{
			"veth": "", "nf_tables": "nfnetlink,libcrc32c", "nfnetlink": "", "libcrc32c": "",
			"nft_nat": "nf_tables,nf-nat,af_packet", "nf-nat": "nf_conntrack", "nf_conntrack": "libcrc32c", "broken": "missing",
		},
	}
}

func open(t *testing.T, k kerneltest.Kernel) Kernel {
	t.Helper()
	dir := t.TempDir()
	unpackTo(t, dir, k.Files())
	got, err := Store{}.Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func names(list []Module) (names []string) {
	for _, m := range list {
		names = append(names, m.Name)
	}
	return names
}

func TestLoadOrdersDependencies(t *testing.T) {
	for _, ext := range []string{"", ".xz", ".zst", ".gz"} {
		k := open(t, graph(ext))
		list, err := k.Load("veth", "nft-nat", "nf_tables", "veth", "af-packet", "tcp_cubic")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"veth", "nfnetlink", "libcrc32c", "nf_tables", "nf_conntrack", "nf_nat", "nft_nat"}, names(list)); diff != "" {
			t.Errorf("modules%s (-want +got):\n%s", ext, diff)
		}
		for _, m := range list {
			if !strings.HasPrefix(string(m.Content), "\x7fELF") {
				t.Errorf("%s%s is not plain ELF", m.Name, ext)
			}
		}
	}
}

func TestLoadNamesWhatIsMissing(t *testing.T) {
	k := open(t, graph(""))
	for _, tt := range []struct{ ask, missing, neededBy string }{{"sch-netem", "sch_netem", ""}, {"broken", "missing", "broken"}} {
		_, err := k.Load("veth", tt.ask)
		var none *NoModule
		if !errors.As(err, &none) || none.Name != tt.missing || none.NeededBy != tt.neededBy || none.Release != "6.12.5-test" {
			t.Errorf("load %s: %v", tt.ask, err)
		}
	}
	missing, err := k.Lacks("veth", "sch-netem", "af_packet", "tun")
	if diff := cmp.Diff([]string{"sch_netem", "tun"}, missing); diff != "" || err != nil {
		t.Errorf("lacks (-want +got):\n%s%v", diff, err)
	}
}

func TestLoadSoftDependencies(t *testing.T) {
	k := open(t, kerneltest.Kernel{Release: "6.12.5-test"})
	for name, info := range map[string][]string{
		"libcrc32c":      {"softdep=pre: crc32c absent", "depends="},
		"crc32c_generic": {"depends="},
		"late":           {"depends="},
		"tls":            {"softdep=post: late pre: libcrc32c", "depends=libcrc32c"},
	} {
		unpackTo(t, k.Modules, []kerneltest.File{{Name: name + ".ko", Content: kerneltest.Module(info...)}})
	}
	list, err := k.Load("tls")
	if want := []string{"crc32c_generic", "libcrc32c", "tls"}; err != nil || !slices.Equal(names(list), want) {
		t.Errorf("%v, not %v: %v", names(list), want, err)
	}
}

func TestLoadBrokenModules(t *testing.T) {
	k := open(t, kerneltest.Kernel{Release: "6.12.5-test"})
	unpackTo(t, k.Modules, []kerneltest.File{
		{Name: "text.ko", Content: []byte("no ELF")},
		{Name: "plain.ko.xz", Content: kerneltest.Module("depends=")},
		{Name: "cut.ko.xz", Content: kerneltest.Compress(".xz", kerneltest.Module("depends="))[:40]},
		{Name: "loop_a.ko", Content: kerneltest.Module("depends=loop_b")},
		{Name: "loop_b.ko", Content: kerneltest.Module("depends=loop_a")},
		{Name: "odd.ko", Content: kerneltest.Module("depends=../../x,,,", "depends", "=")},
	})
	for _, name := range []string{"text", "plain", "cut"} {
		if _, err := k.Load(name); err == nil || !strings.Contains(err.Error(), name+".ko") {
			t.Errorf("load %s: %v", name, err)
		}
	}
	for _, name := range []string{"loop_a", "odd"} {
		if _, err := k.Load(name); err != nil {
			t.Errorf("load %s: %v", name, err)
		}
	}
}

func TestConfig(t *testing.T) {
	k := open(t, graph(""))
	for option, want := range map[string]string{"CONFIG_HZ": "250", "CONFIG_64BIT": "y", "CONFIG_HZ_100": "", "CONFIG_H": ""} {
		if got, err := k.Config(option); got != want || err != nil {
			t.Errorf("%s is %q, not %q: %v", option, got, want, err)
		}
	}
	if err := os.Remove(filepath.Join(filepath.Dir(k.Image), "config-6.12.5-test")); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Config("CONFIG_HZ"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a configuration: %v", err)
	}
}

func FuzzModinfo(f *testing.F) {
	f.Add([]byte("license=GPL\x00depends=nf_tables,nf-nat\x00softdep=pre: a b post: c\x00"))
	f.Add([]byte("depends=,,\x00softdep=pre:"))
	f.Fuzz(func(t *testing.T, section []byte) {
		m := parseModinfo(section)
		for _, n := range append(m.depends, m.pre...) {
			if !moduleName.MatchString(n) {
				t.Errorf("a module named %q", n)
			}
		}
	})
}
