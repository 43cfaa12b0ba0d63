package dns

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"testbed/topo"
	"testbed/topo/sandbox"
)

func TestMain(m *testing.M) { sandbox.TestMain(m) }

const (
	id   = 0x1234
	host = "www.example"
)

var (
	first  = netip.MustParseAddr("192.0.2.1")
	second = netip.MustParseAddr("192.0.2.2")
	six    = netip.MustParseAddr("2001:db8::1")
)

func named(t testing.TB, name string) dnsmessage.Name {
	t.Helper()
	n, err := absolute(name)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func alias(t testing.TB, name, of string) dnsmessage.Resource {
	return dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: named(t, name), Class: dnsmessage.ClassINET},
		Body:   &dnsmessage.CNAMEResource{CNAME: named(t, of)},
	}
}

// answer is one to the question for the host's addresses of a type, after a change.
func answer(t testing.TB, typ topo.RecordType, change func(*dnsmessage.Message), addresses ...netip.Addr) []byte {
	t.Helper()
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, Response: true},
		Questions: []dnsmessage.Question{{Name: named(t, host), Type: types[typ], Class: dnsmessage.ClassINET}},
	}
	for _, a := range addresses {
		m.Answers = append(m.Answers, record(named(t, host), a))
	}
	if change != nil {
		change(&m)
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		t         topo.RecordType
		addresses []netip.Addr
		change    func(*dnsmessage.Message)
		want      reply
	}{
		"two addresses": {topo.A, []netip.Addr{first, second}, nil, reply{addresses: []netip.Addr{first, second}}},
		"IPv6":          {topo.AAAA, []netip.Addr{six}, nil, reply{addresses: []netip.Addr{six}}},
		"no address":    {topo.A, nil, nil, reply{}},
		"no such name":  {topo.A, nil, func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeNameError }, reply{rcode: dnsmessage.RCodeNameError}},
		"truncated":     {topo.A, nil, func(m *dnsmessage.Message) { m.Truncated = true }, reply{truncated: true}},
		"in capitals":   {topo.A, []netip.Addr{first}, func(m *dnsmessage.Message) { m.Questions[0].Name = named(t, "WWW.Example") }, reply{addresses: []netip.Addr{first}}},
		"an alias": {topo.A, []netip.Addr{first}, func(m *dnsmessage.Message) {
			m.Answers[0].Header.Name = named(t, "b.example")
			m.Answers = slices.Insert(m.Answers, 0, alias(t, host, "a.example"), alias(t, "a.example", "b.example"))
		}, reply{addresses: []netip.Addr{first}}},
		"an alias of itself": {topo.A, []netip.Addr{first}, func(m *dnsmessage.Message) {
			m.Answers = slices.Insert(m.Answers, 0, alias(t, host, host))
		}, reply{addresses: []netip.Addr{first}}},
		"another name's address": {topo.A, []netip.Addr{first, second}, func(m *dnsmessage.Message) { m.Answers[0].Header.Name = named(t, "b.example") }, reply{addresses: []netip.Addr{second}}},
		"another type's address": {topo.A, []netip.Addr{six, first}, nil, reply{addresses: []netip.Addr{first}}},
		"another class's":        {topo.A, []netip.Addr{first, second}, func(m *dnsmessage.Message) { m.Answers[0].Header.Class = dnsmessage.ClassCHAOS }, reply{addresses: []netip.Addr{second}}},
	} {
		got, err := parse(answer(t, c.t, c.change, c.addresses...), id, host, c.t)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.rcode != c.want.rcode || got.truncated != c.want.truncated || !slices.Equal(got.addresses, c.want.addresses) {
			t.Errorf("%s: %+v, want %+v", name, *got, c.want)
		}
	}
}

func TestParseRefusesForeignAnswers(t *testing.T) {
	for name, change := range map[string]func(*dnsmessage.Message){
		"another id":       func(m *dnsmessage.Message) { m.ID++ },
		"a question":       func(m *dnsmessage.Message) { m.Response = false },
		"no question":      func(m *dnsmessage.Message) { m.Questions = nil },
		"two questions":    func(m *dnsmessage.Message) { m.Questions = append(m.Questions, m.Questions[0]) },
		"another name":     func(m *dnsmessage.Message) { m.Questions[0].Name = named(t, "b.example") },
		"a longer name":    func(m *dnsmessage.Message) { m.Questions[0].Name = named(t, "www.example.com") },
		"the root":         func(m *dnsmessage.Message) { m.Questions[0].Name = named(t, "") },
		"another type":     func(m *dnsmessage.Message) { m.Questions[0].Type = dnsmessage.TypeAAAA },
		"no address's":     func(m *dnsmessage.Message) { m.Questions[0].Type = dnsmessage.TypeMX },
		"another class":    func(m *dnsmessage.Message) { m.Questions[0].Class = dnsmessage.ClassCHAOS },
		"anything but one": func(m *dnsmessage.Message) { *m = dnsmessage.Message{} },
	} {
		if r, err := parse(answer(t, topo.A, change, first), id, host, topo.A); !errors.Is(err, errForeign) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// malformed are messages that break off, and some that no honest server sends.
func malformed(t testing.TB) map[string][]byte {
	whole := answer(t, topo.A, nil, first)
	cases := map[string][]byte{}
	for n := range whole {
		cases[fmt.Sprintf("cut after %d", n)] = whole[:n]
	}
	header := whole[:12]
	cases["a name that points to itself"] = append(slices.Clone(header), 0xc0, 12, 0, 1, 0, 1)
	cases["names that point to each other"] = append(slices.Clone(header), 0xc0, 14, 0xc0, 12, 0, 1, 0, 1)
	cases["a name that points beyond"] = append(slices.Clone(header), 0xff, 0xff, 0, 1, 0, 1)
	cases["a name in a loop"] = append(slices.Clone(header), 1, 'a', 0xc0, 12, 0, 1, 0, 1)
	cases["a label of a reserved kind"] = append(slices.Clone(header), 0x80, 'a', 0, 0, 1, 0, 1)
	long := slices.Clone(header)
	for range 5 {
		long = append(append(long, 63), bytes.Repeat([]byte{'a'}, 63)...)
	}
	cases["a name that is too long"] = append(long, 0, 0, 1, 0, 1)
	many := slices.Clone(whole)
	many[6], many[7] = 0xff, 0xff // as many answers
	cases["fewer records than announced"] = many
	return cases
}

func TestParseRefusesMalformedAnswers(t *testing.T) {
	for name, b := range malformed(t) {
		if r, err := parse(b, id, host, topo.A); err == nil || errors.Is(err, errForeign) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// An answer may be as long as a frame of a connection can be.
func TestParseTakesLongAnswers(t *testing.T) {
	const n = 2300
	b := answer(t, topo.AAAA, nil, slices.Repeat([]netip.Addr{six}, n)...)
	if len(b) > 1<<16-1 || len(b) < 1<<16-2000 {
		t.Fatalf("%d bytes", len(b))
	}
	b, err := readFramed(bytes.NewReader(framed(b)))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := parse(b, id, host, topo.AAAA); err != nil || len(r.addresses) != n {
		t.Errorf("%v", err)
	}
}

func TestReadFramed(t *testing.T) {
	for _, c := range []struct {
		stream string
		want   string
		ok     bool
	}{
		{"\x00\x03abc", "abc", true},
		{"\x00\x03abcd", "abc", true},
		{"\x00\x00", "", true},
		{"\x00\x03ab", "", false},
		{"\x00\x03", "", false},
		{"\x00", "", false},
		{"", "", false},
		{"\xff\xffabc", "", false},
	} {
		b, err := readFramed(bytes.NewReader([]byte(c.stream)))
		if (err == nil) != c.ok || c.ok && string(b) != c.want {
			t.Errorf("%q: %q, %v", c.stream, b, err)
		}
	}
}

func TestQuestionRefusesWhatIsNoName(t *testing.T) {
	for _, name := range []string{"a..b", string(bytes.Repeat([]byte{'a'}, 64)) + ".example", string(bytes.Repeat([]byte("abcdefg."), 40))} {
		if b, err := question(id, name, topo.A); err == nil {
			t.Errorf("%.20s: %x", name, b)
		}
	}
}

// A parser of answers never panics, whatever it is given, and takes nothing for an
// address of a type that is none.
func FuzzParse(f *testing.F) {
	for _, b := range malformed(f) {
		f.Add(b)
	}
	f.Add(answer(f, topo.A, nil, first, second))
	f.Add(answer(f, topo.AAAA, nil, six, first))
	f.Add(answer(f, topo.A, func(m *dnsmessage.Message) { m.Answers = slices.Insert(m.Answers, 0, alias(f, host, "b.example")) }, first))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, typ := range topo.RecordTypes {
			r, err := parse(b, id, host, typ)
			if (r == nil) == (err == nil) {
				t.Fatalf("%s: %+v and %v", typ, r, err)
			}
			if r == nil {
				continue
			}
			for _, a := range r.addresses {
				if a.Is4() != (typ == topo.A) {
					t.Errorf("%s: %s", typ, a)
				}
			}
			if most := len(b) / 14; len(r.addresses) > most {
				t.Errorf("%d addresses in %d bytes", len(r.addresses), len(b))
			}
		}
	})
}

// What is read of a stream is what was framed into it, to the last whole frame.
func FuzzReadFramed(f *testing.F) {
	f.Add(framed([]byte("abc")))
	f.Add(append(framed(nil), framed([]byte("abc"))...))
	f.Add(framed([]byte("abc"))[:4])
	f.Add([]byte{0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := bytes.NewReader(stream)
		for rest := stream; ; rest = stream[len(stream)-r.Len():] {
			whole := len(rest) >= 2 && len(rest)-2 >= int(rest[0])<<8|int(rest[1])
			b, err := readFramed(r)
			if (err == nil) != whole {
				t.Fatalf("%x: %v", rest, err)
			}
			if err != nil {
				return
			}
			if again := framed(b); !bytes.HasPrefix(rest, again) || len(rest)-len(again) != r.Len() {
				t.Fatalf("%x of %x", again, rest)
			}
		}
	})
}
