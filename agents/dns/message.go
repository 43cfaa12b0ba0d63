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
func parse(b []byte, id uint16, name string, t topo.RecordType) (*reply, error) {
	var m dnsmessage.Message
	if err := m.Unpack(b); err != nil {
		return nil, err
	}
	if m.ID != id || !m.Response || len(m.Questions) != 1 {
		return nil, errForeign
	}
	q := m.Questions[0]
	if q.Type != types[t] || q.Class != dnsmessage.ClassINET || !same(q.Name, strings.TrimSuffix(name, ".")+".") {
		return nil, errForeign
	}
	return &reply{rcode: m.RCode, truncated: m.Truncated, addresses: addresses(m.Answers, q)}, nil
}

// addresses are those that records have for a question. As for glibc
// (resolv/nss_dns/dns-host.c), records of other names are none, but for the name
// that an alias before them stands for.
func addresses(records []dnsmessage.Resource, q dnsmessage.Question) (found []netip.Addr) {
	owner := q.Name.String()
	for _, r := range records {
		if r.Header.Class != q.Class || !same(r.Header.Name, owner) {
			continue
		}
		switch body := r.Body.(type) {
		case *dnsmessage.CNAMEResource:
			owner = body.CNAME.String()
		case *dnsmessage.AResource:
			if q.Type == dnsmessage.TypeA {
				found = append(found, netip.AddrFrom4(body.A))
			}
		case *dnsmessage.AAAAResource:
			if q.Type == dnsmessage.TypeAAAA {
				found = append(found, netip.AddrFrom16(body.AAAA))
			}
		}
	}
	return found
}

// same tells whether names are the same, which their letters' case does not matter
// for.
func same(a dnsmessage.Name, b string) bool { return strings.EqualFold(a.String(), b) }

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
