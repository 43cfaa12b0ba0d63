// Package dns asks and answers for names with real datagrams and connections that
// are opened in a node's namespace (RFC 1035).
package dns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"testbed/topo"
)

// Port is the one that resolvers listen on.
const Port = 53

// maxDatagram is how long an answer over UDP may be to a question without EDNS
// (RFC 1035, section 4.2.1), in bytes.
const maxDatagram = 512

var types = map[topo.RecordType]dnsmessage.Type{topo.A: dnsmessage.TypeA, topo.AAAA: dnsmessage.TypeAAAA}

// typeOf is the type's name, empty for others than those of addresses.
func typeOf(t dnsmessage.Type) topo.RecordType {
	for name, n := range types {
		if n == t {
			return name
		}
	}
	return ""
}

// absolute is a name as messages have it, with the root's dot.
func absolute(name string) (dnsmessage.Name, error) {
	return dnsmessage.NewName(strings.TrimSuffix(name, ".") + ".")
}

// question is a query for a name's addresses.
func question(id uint16, name string, t topo.RecordType) ([]byte, error) {
	n, err := absolute(name)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", name, err)
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: n, Type: types[t], Class: dnsmessage.ClassINET}},
	}
	return m.Pack()
}

// reply is what an answer says.
type reply struct {
	rcode     dnsmessage.RCode
	truncated bool
	addresses []netip.Addr
}

var errForeign = errors.New("not an answer to the question")

// parse reads the answer to a question. errForeign means that it is none to that
// one.
func parse(b []byte, id uint16, t topo.RecordType) (*reply, error) {
	var m dnsmessage.Message
	if err := m.Unpack(b); err != nil {
		return nil, err
	}
	if m.ID != id || !m.Response || len(m.Questions) != 1 || m.Questions[0].Type != types[t] {
		return nil, errForeign
	}
	r := &reply{rcode: m.RCode, truncated: m.Truncated}
	for _, a := range m.Answers {
		switch body := a.Body.(type) {
		case *dnsmessage.AResource:
			r.addresses = append(r.addresses, netip.AddrFrom4(body.A))
		case *dnsmessage.AAAAResource:
			r.addresses = append(r.addresses, netip.AddrFrom16(body.AAAA))
		}
	}
	return r, nil
}

// rcodes are the names of response codes (RFC 1035, section 4.1.1).
var rcodes = map[dnsmessage.RCode]string{
	dnsmessage.RCodeSuccess: "NOERROR", dnsmessage.RCodeFormatError: "FORMERR", dnsmessage.RCodeServerFailure: "SERVFAIL",
	dnsmessage.RCodeNameError: "NXDOMAIN", dnsmessage.RCodeNotImplemented: "NOTIMP", dnsmessage.RCodeRefused: "REFUSED",
}

func rcodeName(c dnsmessage.RCode) string {
	if s, ok := rcodes[c]; ok {
		return s
	}
	return fmt.Sprintf("RCODE %d", c)
}

// readFramed reads a message with its length in front (RFC 1035, section 4.2.2).
func readFramed(r io.Reader) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(r, b)
	return b, err
}

// framed is a message with its length in front.
func framed(b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
}
