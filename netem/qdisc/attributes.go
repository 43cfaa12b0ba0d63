package qdisc

import (
	"encoding/binary"
	"fmt"
	"iter"

	"golang.org/x/sys/unix"
)

// attributes are those of a netlink message by type and value, in their order. A
// cut one ends them.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= unix.SizeofRtAttr {
			n := int(binary.NativeEndian.Uint16(b))
			if n < unix.SizeofRtAttr || n > len(b) {
				return
			}
			kind := binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
			if !yield(kind, b[unix.SizeofRtAttr:n]) {
				return
			}
			b = b[min(len(b), (n+3)&^3):]
		}
	}
}

// attribute is the value of the first attribute of a type, or nil.
func attribute(b []byte, kind uint16) []byte {
	for k, v := range attributes(b) {
		if k == kind {
			return v
		}
	}
	return nil
}

// words reads values of 32 bits that follow each other into places.
func words(b []byte, what string, places ...*uint32) error {
	if len(b) < 4*len(places) {
		return fmt.Errorf("read %s: %d bytes are too few", what, len(b))
	}
	for i, p := range places {
		*p = binary.NativeEndian.Uint32(b[4*i:])
	}
	return nil
}

// pack is the reverse of words.
func pack(values ...uint32) []byte {
	var b []byte
	for _, v := range values {
		b = binary.NativeEndian.AppendUint32(b, v)
	}
	return b
}
