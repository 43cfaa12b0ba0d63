package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const btfPath = "/sys/kernel/btf/vmlinux"

// Kinds of types (Documentation/bpf/btf.rst, section 2.2).
const (
	kindStruct = 4
	kindUnion  = 5
)

// btfFile finds the members of a few structures in the kernel's BTF. A full
// parse of all hundred thousand types takes 20 ms; this walks over them once.
type btfFile struct {
	types, names []byte
	// at are the offsets in types of each type, by ID; at[0] is void.
	at []uint32
}

// openBTF reads the running kernel's BTF. close gives it up.
func openBTF() (b *btfFile, close func(), err error) {
	raw, close, err := mapBTF()
	if err != nil {
		return nil, nil, err
	}
	b, err = parseBTF(raw)
	if err != nil {
		close()
		return nil, nil, fmt.Errorf("read %s: %w", btfPath, err)
	}
	return b, close, nil
}

// mapBTF maps the file, or reads it where the kernel cannot (before 6.16).
func mapBTF() (raw []byte, close func(), err error) {
	f, err := os.Open(btfPath)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if m, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_POPULATE); err == nil {
		return m, func() { _ = unix.Munmap(m) }, nil
	}
	raw, err = os.ReadFile(btfPath)
	return raw, func() {}, err
}

var errBTF = errors.New("malformed BTF")

// parseBTF finds the sections and where each type begins.
func parseBTF(raw []byte) (*btfFile, error) {
	if len(raw) < 24 || binary.NativeEndian.Uint16(raw) != 0xeb9f {
		return nil, errBTF
	}
	u32 := func(off int) uint64 { return uint64(binary.NativeEndian.Uint32(raw[off:])) }
	section := func(off, n uint64) ([]byte, bool) {
		off += u32(4)
		if off+n > uint64(len(raw)) {
			return nil, false
		}
		return raw[off : off+n], true
	}
	types, ok1 := section(u32(8), u32(12))
	names, ok2 := section(u32(16), u32(20))
	if !ok1 || !ok2 {
		return nil, errBTF
	}
	b := &btfFile{types: types, names: names, at: make([]uint32, 1, len(types)/24+1)}
	for off := 0; off < len(types); {
		if off+12 > len(types) {
			return nil, errBTF
		}
		b.at = append(b.at, uint32(off))
		kind, vlen := info(types[off:])
		off += 12 + trailer(kind, vlen)
	}
	return b, nil
}

func info(t []byte) (kind, vlen int) {
	i := binary.NativeEndian.Uint32(t[4:])
	return int(i >> 24 & 0x1f), int(i & 0xffff)
}

// trailer is how many bytes follow the twelve of a type.
func trailer(kind, vlen int) int {
	switch kind {
	case 1, 14, 17: // INT, VAR, DECL_TAG
		return 4
	case 3: // ARRAY
		return 12
	case kindStruct, kindUnion, 15, 19: // DATASEC, ENUM64
		return 12 * vlen
	case 6, 13: // ENUM, FUNC_PROTO
		return 8 * vlen
	}
	return 0
}

func (b *btfFile) named(off uint32, name string) bool {
	if uint64(off)+uint64(len(name)) >= uint64(len(b.names)) {
		return false
	}
	rest := b.names[off:]
	return rest[len(name)] == 0 && bytes.Equal(rest[:len(name)], []byte(name))
}

// structure is the ID of the first structure of that name that has a member
// of that name.
func (b *btfFile) structure(name, member string) (id, offset int, err error) {
	for id := 1; id < len(b.at); id++ {
		t := b.types[b.at[id]:]
		if kind, _ := info(t); kind != kindStruct || !b.named(binary.NativeEndian.Uint32(t), name) {
			continue
		}
		if off, ok := b.member(id, member, 4); ok {
			return id, off, nil
		}
	}
	return 0, 0, fmt.Errorf("no struct %s with %s in the kernel's BTF", name, member)
}

// member is a member's offset in bytes, looked for in nameless structures and
// unions as well, down to a depth.
func (b *btfFile) member(id int, name string, depth int) (offset int, ok bool) {
	if id <= 0 || id >= len(b.at) || depth == 0 {
		return 0, false
	}
	t := b.types[b.at[id]:]
	kind, vlen := info(t)
	if kind != kindStruct && kind != kindUnion || len(t) < 12+12*vlen {
		return 0, false
	}
	for m := t[12 : 12+12*vlen]; len(m) > 0; m = m[12:] {
		at := int(binary.NativeEndian.Uint32(m[8:])&0xffffff) / 8
		nameOff := binary.NativeEndian.Uint32(m)
		if nameOff != 0 && b.named(nameOff, name) {
			return at, true
		}
		if nameOff == 0 {
			if off, ok := b.member(int(binary.NativeEndian.Uint32(m[4:])), name, depth-1); ok {
				return at + off, true
			}
		}
	}
	return 0, false
}

// size is a structure's in bytes.
func (b *btfFile) size(id int) int {
	return int(binary.NativeEndian.Uint32(b.types[b.at[id]+8:]))
}

// offsets are where the tracer finds what it reads.
type offsets struct {
	// Within struct sock_common, and that structure's size. It is the beginning
	// of struct sock and struct inet_sock.
	net, family, daddr, saddr, dport, num, daddr6, saddr6, common int
	// inum is within struct net, sport within struct inet_sock.
	inum, sport int
}

func readOffsets() (o offsets, err error) {
	b, close, err := openBTF()
	if err != nil {
		return o, err
	}
	defer close()
	id, at, err := b.structure("sock_common", "skc_net")
	if err != nil {
		return o, err
	}
	o.net, o.common = at, b.size(id)
	for name, p := range map[string]*int{
		"skc_family": &o.family, "skc_daddr": &o.daddr, "skc_rcv_saddr": &o.saddr, "skc_dport": &o.dport,
		"skc_num": &o.num, "skc_v6_daddr": &o.daddr6, "skc_v6_rcv_saddr": &o.saddr6,
	} {
		off, ok := b.member(id, name, 4)
		if !ok && name != "skc_v6_daddr" && name != "skc_v6_rcv_saddr" { // a kernel without IPv6
			return o, fmt.Errorf("no %s in the kernel's struct sock_common", name)
		}
		*p = off
	}
	if o.inum, err = b.nested("net", "ns", "ns_common", "inum"); err != nil {
		return o, err
	}
	_, o.sport, err = b.structure("inet_sock", "inet_sport")
	return o, err
}

// nested is the offset of a member of a member.
func (b *btfFile) nested(outer, member, inner, name string) (int, error) {
	_, at, err := b.structure(outer, member)
	if err != nil {
		return 0, err
	}
	_, in, err := b.structure(inner, name)
	return at + in, err
}
