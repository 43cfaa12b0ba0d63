package spec

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Version is a kernel's version: major, minor and patch.
type Version [3]int

// ParseVersion reads the version that a release as of uname(2) begins with, such
// as 6.12.41+deb13-cloud-amd64. Numbers that are absent are 0.
func ParseVersion(release string) (v Version, err error) {
	v, _, rest := version(release)
	if rest == release {
		return Version{}, fmt.Errorf("the kernel release %q begins with no version", release)
	}
	return v, nil
}

// version reads as much of a text as is a version, and how many numbers that is.
func version(s string) (v Version, n int, rest string) {
	for rest = s; n < len(v); n++ {
		digits := s
		if n > 0 {
			if digits = strings.TrimPrefix(rest, "."); digits == rest {
				break
			}
		}
		end := len(digits) - len(strings.TrimLeft(digits, "0123456789"))
		number, ok := whole(digits[:end])
		if !ok {
			break
		}
		v[n], rest = number, digits[end:]
	}
	return v, n, rest
}

func (v Version) compare(w Version) int { return slices.Compare(v[:], w[:]) }

// Kernels is a range of kernel versions.
type Kernels struct {
	// From is the first of them and Below the first that is above them, both with
	// as many numbers as are written, the rest 0. The zero Below is above all.
	From, Below Version
	// Text is as written, such as ">= 6.5".
	Text string
}

// Contains tells whether a version is in the range.
func (k Kernels) Contains(v Version) bool {
	return k.From.compare(v) <= 0 && (k.Below == Version{} || v.compare(k.Below) < 0)
}

// overlaps tells whether some version is in both ranges.
func (k Kernels) overlaps(o Kernels) bool {
	first := k.From
	if first.compare(o.From) < 0 {
		first = o.From
	}
	return k.Contains(first) && o.Contains(first)
}

const wantKernels = `a range of kernel versions in quotes: ">= 6.5", "< 6.5", "> 6.1", "<= 6.12", "6.1..6.4" or "6.12", which is every 6.12.x`

// parseKernels reads a range of versions. A version stands for all that begin with
// it: 6.5.9 is <= 6.5.
func parseKernels(s string) (Kernels, *complaint) {
	b, low, high := splitBound(s)
	from, above, ok := kernelSeries(low)
	k := Kernels{Text: s}
	switch b {
	case About:
		k.From, k.Below = from, above
	case AtLeast:
		k.From = from
	case Above:
		k.From = above
	case Below:
		k.Below = from
	case AtMost:
		k.Below = above
	case Within:
		last, end, okay := kernelSeries(high)
		if ok = ok && okay; ok && last.compare(from) < 0 {
			return Kernels{}, bad("%s ends before it begins", quote(s)).want(wantKernels).near(high + ".." + low)
		}
		k.From, k.Below = from, end
	}
	if !ok {
		return Kernels{}, bad("%s is no range of kernel versions", quote(s)).want(wantKernels).near(cmp.Or(mendSign(s), mendKernels(s)))
	}
	if b == Below && from == (Version{}) {
		return Kernels{}, bad("%s is no kernel at all", quote(s)).want(wantKernels)
	}
	return k, nil
}

// kernelSeries are the versions that begin with the written one: the first, and
// the first that does not.
func kernelSeries(s string) (first, above Version, ok bool) {
	first, n, rest := version(s)
	if n == 0 || rest != "" {
		return first, first, false
	}
	above = first
	above[n-1]++
	return first, above, true
}

// mendKernels takes a leading v, "linux" or a suffix such as -rc1 off versions.
func mendKernels(s string) string {
	sign, low, high := splitBound(s)
	if sign == Within {
		return ""
	}
	word := strings.TrimLeft(strings.TrimPrefix(strings.ToLower(low), "linux"), " v")
	v, n, _ := version(word)
	if n == 0 || high != "" {
		return ""
	}
	var parts []string
	for _, x := range v[:n] {
		parts = append(parts, strconv.Itoa(x))
	}
	return strings.TrimLeft(string(sign)+" "+strings.Join(parts, "."), " ")
}

// KernelExpect are expectations that hold on some kernels only.
type KernelExpect struct {
	Kernels
	// Keys are the keys of the expectations, as in the file.
	Keys   []string
	Expect Expect
}

// On are the expectations for a kernel, and those that only hold for some kernels
// and are among them. An expectation without any of these is returned as it is,
// whatever the release.
func (e *Expect) On(release string) (*Expect, []KernelExpect, error) {
	if len(e.Kernels) == 0 {
		return e, nil, nil
	}
	v, err := ParseVersion(release)
	if err != nil {
		return nil, nil, err
	}
	whole := *e
	var found []KernelExpect
	for _, k := range e.Kernels {
		if k.Contains(v) {
			found = append(found, k)
			whole.add(&k.Expect)
		}
	}
	return &whole, found, nil
}

// add takes over what another expectation names. No key is in both.
func (e *Expect) add(other *Expect) {
	to, from := reflect.ValueOf(e).Elem(), reflect.ValueOf(other).Elem()
	for i := range to.NumField() {
		if to.Field(i).IsZero() {
			to.Field(i).Set(from.Field(i))
		}
	}
}
