package kernel

import (
	"encoding/binary"
	"errors"
	"testing"

	"testbed/vm/kernel/kerneltest"
)

func TestBannerTellsTheVersion(t *testing.T) {
	for _, tt := range []struct{ banner, release, version, build string }{
		{"6.1.0-56-cloud-amd64 (debian-kernel@lists.debian.org) #1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)", "6.1.0-56-cloud-amd64", "6.1.192", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)"},
		{"6.12.117+deb12-cloud-amd64 (debian-kernel@lists.debian.org) #1 SMP Debian 6.12.117-1~deb12u1 (2026-11-14)", "6.12.117+deb12-cloud-amd64", "6.12.117", "#1 SMP Debian 6.12.117-1~deb12u1 (2026-11-14)"},
		{"6.8.0-45-generic (buildd@lcy02) #45-Ubuntu SMP", "6.8.0-45-generic", "6.8.0", "#45-Ubuntu SMP"},
		{"7.0-rc1", "7.0-rc1", "7.0", ""},
	} {
		banner, err := bannerOf(kerneltest.Image(tt.banner))
		if err != nil {
			t.Errorf("%s: %v", tt.banner, err)
			continue
		}
		if k := fromBanner(banner); k.Release != tt.release || k.Version != tt.version || k.Build != tt.build {
			t.Errorf("%s: %+v", tt.banner, k)
		}
	}
}

func TestNoBzImage(t *testing.T) {
	good := kerneltest.Image("6.1.0 (me) #1")
	change := func(f func([]byte)) []byte {
		b := append([]byte(nil), good...)
		f(b)
		return b
	}
	for name, b := range map[string][]byte{
		"empty":           nil,
		"cut in header":   good[:0x240],
		"cut in version":  good[:0x402],
		"no boot flag":    change(func(b []byte) { b[0x1fe] = 0 }),
		"no magic":        change(func(b []byte) { b[0x202] = 'h' }),
		"ancient":         change(func(b []byte) { binary.LittleEndian.PutUint16(b[0x206:], 0x0204) }),
		"no version":      change(func(b []byte) { binary.LittleEndian.PutUint16(b[0x20e:], 0) }),
		"version outside": change(func(b []byte) { binary.LittleEndian.PutUint16(b[0x20e:], 0xffff) }),
		"version a path":  kerneltest.Image("../../etc (me) #1"),
		"version hidden":  kerneltest.Image(".6.1 (me) #1"),
		"version control": kerneltest.Image("6.1.0 (me) \x1b[2J"),
	} {
		if banner, err := bannerOf(b); !errors.Is(err, ErrNotBzImage) {
			t.Errorf("%s: %q, %v", name, banner, err)
		}
	}
}

// A release must be good for the name of a folder, whatever an image says.
func FuzzBanner(f *testing.F) {
	f.Add(kerneltest.Image("6.1.0-56-cloud-amd64 (me) #1 SMP Debian 6.1.192-2 (2026-11-16)"))
	f.Add(kerneltest.Image("6.1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		banner, err := bannerOf(b)
		if err != nil {
			return
		}
		k := fromBanner(banner)
		if k.Version == "" || !releaseName.MatchString(k.Release) {
			t.Errorf("release %q, version %q", k.Release, k.Version)
		}
	})
}
