package nft

import (
	"strconv"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// store is a named set or map that rules add to. What is in it goes away after
// the timeout that it was added with. It has no bound: the kernel would make room for
// all of it at once.
type store struct {
	name string
	key  concat
	// data is nil for a set.
	data concat
	// elements are there from the beginning, without a timeout.
	elements []element
}

// element is a permanent one.
type element struct {
	text      string
	key, data []byte
}

func (s *store) writeTo(b *strings.Builder) {
	word, of := "set", s.key.kind().Name
	if s.data != nil {
		word, of = "map", of+" : "+s.data.kind().Name
	}
	b.WriteString("\t" + word + " " + s.name + " {\n\t\ttype " + of + "\n\t\tflags dynamic,timeout\n")
	if len(s.elements) > 0 {
		words := make([]string, len(s.elements))
		for i, e := range s.elements {
			words[i] = e.text
		}
		b.WriteString("\t\telements = { " + strings.Join(words, ",\n\t\t\t     ") + " }\n")
	}
	b.WriteString("\t}\n")
}

// kernel is what the library makes of the store.
func (s *store) kernel(id uint32) (*nftables.Set, []nftables.SetElement) {
	k := &nftables.Set{
		Table: table, ID: id, Name: s.name, KeyType: s.key.kind(),
		Concatenation: len(s.key) > 1, Dynamic: true, HasTimeout: true,
	}
	if s.data != nil {
		k.IsMap, k.DataType = true, s.data.kind()
	}
	var elements []nftables.SetElement
	for _, e := range s.elements {
		elements = append(elements, nftables.SetElement{Key: e.key, Val: e.data})
	}
	return k, elements
}

// has is a lookup of the key in the registers from key on, or of its absence.
func (s *store) has(key uint32, absent bool) expr.Any {
	return &expr.Lookup{SourceRegister: register32(key), SetName: s.name, Invert: absent}
}

// holds is `… @taken` of a key, which is in registers from one on then.
func (s *store) holds(key concat, register uint32) statement {
	return statement{text: key.String() + " @" + s.name, exprs: append(key.load(register), s.has(register, false))}
}

// get puts the data of the key in the registers from key on into those from into
// on. The rule does not match where there is none.
func (s *store) get(key, into uint32) expr.Any {
	return &expr.Lookup{SourceRegister: register32(key), DestRegister: register32(into), IsDestRegSet: true, SetName: s.name}
}

// The operations on a store: add leaves an element as it is that is already
// there, update gives it the timeout.
const (
	opAdd    = "add"
	opUpdate = "update"
	opDelete = "delete"
)

var operations = map[string]uint32{opAdd: unix.NFT_DYNSET_OP_ADD, opUpdate: unix.NFT_DYNSET_OP_UPDATE, opDelete: dynsetDelete}

// dynsetDelete is NFT_DYNSET_OP_DELETE (linux/netfilter/nf_tables.h, since Linux 5.4).
const dynsetDelete = 2

// put is `add @taken { … timeout 2m }` of the key that is in registers from one
// on.
func (s *store) put(operation string, key concat, t time.Duration, register uint32) statement {
	return statement{
		text:  operation + " @" + s.name + " { " + key.String() + " timeout " + duration(t) + " }",
		exprs: []expr.Any{s.dynset(operation, t, register)},
	}
}

// remove is `delete @joining { … }` of the key that is in registers from one on.
func (s *store) remove(key concat, register uint32) statement {
	return statement{
		text:  opDelete + " @" + s.name + " { " + key.String() + " }",
		exprs: []expr.Any{s.dynset(opDelete, 0, register)},
	}
}

// putData is `add @ports { … timeout 2m : … }` of a key and of data that are in
// registers.
func (s *store) putData(operation string, key, data concat, t time.Duration, keyAt, dataAt uint32) statement {
	d := s.dynset(operation, t, keyAt)
	d.SrcRegData = register32(dataAt)
	return statement{
		text:  operation + " @" + s.name + " { " + key.String() + " timeout " + duration(t) + " : " + data.String() + " }",
		exprs: []expr.Any{d},
	}
}

func (s *store) dynset(operation string, t time.Duration, key uint32) *expr.Dynset {
	return &expr.Dynset{SrcRegKey: register32(key), SetName: s.name, Operation: operations[operation], Timeout: t}
}

// after is a statement with expressions before its own.
func (s statement) after(exprs []expr.Any) statement {
	s.exprs = append(exprs, s.exprs...)
	return s
}

// duration is a time as nft writes it: 1d2h, 4s500ms.
func duration(d time.Duration) string {
	var b strings.Builder
	for _, unit := range []struct {
		name string
		of   time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}} {
		if n := d / unit.of; n > 0 {
			b.WriteString(strconv.FormatInt(int64(n), 10) + unit.name)
			d -= n * unit.of
		}
	}
	if b.Len() == 0 {
		return "0s"
	}
	return b.String()
}
