package kernel

import (
	"bytes"
	"debug/elf"
	"fmt"
	"regexp"
	"strings"
)

// modinfo is what a module says that it needs (scripts/mod/modpost.c, add_depends;
// include/linux/module.h, MODULE_SOFTDEP).
type modinfo struct {
	// depends must be loaded before it; pre should be, where they are there.
	depends, pre []string
}

// parseModinfo reads a module's section .modinfo: strings KEY=VALUE, each ended by
// a zero byte.
func parseModinfo(section []byte) (m modinfo) {
	for entry := range bytes.SplitSeq(section, []byte{0}) {
		key, value, _ := strings.Cut(string(entry), "=")
		switch key {
		case "depends":
			m.depends = append(m.depends, canonicals(strings.Split(value, ","))...)
		case "softdep":
			m.pre = append(m.pre, canonicals(softPre(value))...)
		}
	}
	return m
}

// softPre are the modules that a soft dependency such as "pre: a b post: c" wants
// before (modprobe.d(5)).
func softPre(value string) (names []string) {
	before := false
	for _, word := range strings.Fields(value) {
		switch word {
		case "pre:", "post:", "platform:":
			before = word == "pre:"
		default:
			if before {
				names = append(names, word)
			}
		}
	}
	return names
}

// moduleName holds for what may be a module's name.
var moduleName = regexp.MustCompile(`^[0-9A-Za-z_]+$`)

// canonicals are the names that may be names, as the kernel writes them.
func canonicals(words []string) (names []string) {
	for _, w := range words {
		if w = canonical(w); moduleName.MatchString(w) {
			names = append(names, w)
		}
	}
	return names
}

// canonical is a module's name as the kernel writes it: '-' and '_' are the same
// in names (modprobe(8)).
func canonical(name string) string { return strings.ReplaceAll(name, "-", "_") }

// modinfoOf reads what a module, an ELF object, says that it needs.
func modinfoOf(ko []byte) (modinfo, error) {
	f, err := elf.NewFile(bytes.NewReader(ko))
	if err != nil {
		return modinfo{}, err
	}
	s := f.Section(".modinfo")
	if s == nil {
		return modinfo{}, fmt.Errorf("no section .modinfo")
	}
	data, err := s.Data()
	return parseModinfo(data), err
}
