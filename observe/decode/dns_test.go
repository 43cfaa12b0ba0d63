package decode

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"

	"testbed/observe"
)

func answer(t *testing.T) []byte {
	t.Helper()
	name := dnsmessage.MustNewName("www.example.")
	record := func(last byte) dnsmessage.Resource {
		return dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET},
			Body:   &dnsmessage.AResource{A: [4]byte{192, 0, 2, last}},
		}
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 1, Response: true},
		Questions: []dnsmessage.Question{{Name: name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
		Answers:   []dnsmessage.Resource{record(1), record(2)},
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDNS(t *testing.T) {
	b := answer(t)
	want := &observe.DNS{Response: true, Name: "www.example", Type: "A", RCode: "NOERROR", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}}
	same := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if d := cmp.Diff(want, decodeDNS(b), same); d != "" {
		t.Error(d)
	}
	// Cut in the second answer.
	want.Addresses = want.Addresses[:1]
	if d := cmp.Diff(want, decodeDNS(b[:len(b)-2]), same); d != "" {
		t.Error(d)
	}
	if m := decodeDNS(b[:14]); m != nil {
		t.Errorf("a message cut in its question is %+v", m)
	}
}
