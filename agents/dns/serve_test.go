package dns

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"testbed/topo"
)

var asker = netip.MustParseAddr("198.51.100.1")

// zone has one name with two addresses of IPv4 and one of IPv6, one with too many
// for a datagram, and one without any.
func zone(_ netip.Addr, name string, t topo.RecordType) (addresses []netip.Addr, exists bool) {
	switch {
	case name == host && t == topo.A:
		return []netip.Addr{first, second}, true
	case name == host && t == topo.AAAA:
		return []netip.Addr{six}, true
	case name == "many.example" && t == topo.A:
		return slices.Repeat([]netip.Addr{first}, 100), true
	}
	return nil, name == host || name == "many.example" || name == "none.example"
}

func ask(t testing.TB, name string, typ topo.RecordType) []byte {
	t.Helper()
	b, err := question(id, name, typ)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// answers are what a server writes at once to a question.
func answers(s *Server, query []byte, most int) (written [][]byte) {
	s.answer(asker, query, most, func(b []byte) { written = append(written, b) })
	return written
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		name string
		t    topo.RecordType
		most int
		want reply
	}{
		{host, topo.A, maxDatagram, reply{addresses: []netip.Addr{first, second}}},
		{host, topo.AAAA, maxDatagram, reply{addresses: []netip.Addr{six}}},
		{"none.example", topo.A, maxDatagram, reply{}},
		{"other.example", topo.A, maxDatagram, reply{rcode: dnsmessage.RCodeNameError}},
		{"", topo.A, maxDatagram, reply{rcode: dnsmessage.RCodeNameError}},
		{"many.example", topo.A, maxDatagram, reply{truncated: true}},
		{"many.example", topo.A, 1<<16 - 1, reply{addresses: slices.Repeat([]netip.Addr{first}, 100)}},
	} {
		got := answers(newServer(Options{Zone: zone}), ask(t, c.name, c.t), c.most)
		if len(got) != 1 || len(got[0]) > c.most {
			t.Errorf("%s %s: %d answers", c.name, c.t, len(got))
			continue
		}
		r, err := parse(got[0], id, c.name, c.t)
		if err != nil || r.rcode != c.want.rcode || r.truncated != c.want.truncated || !slices.Equal(r.addresses, c.want.addresses) {
			t.Errorf("%s %s: %+v, %v", c.name, c.t, r, err)
		}
	}
}

func TestSilentTypesAreNotAnswered(t *testing.T) {
	s := newServer(Options{Zone: zone, Silent: []topo.RecordType{topo.A}})
	if a, aaaa := answers(s, ask(t, host, topo.A), maxDatagram), answers(s, ask(t, host, topo.AAAA), maxDatagram); len(a) != 0 || len(aaaa) != 1 {
		t.Errorf("%d and %d answers", len(a), len(aaaa))
	}
}

func TestWhatIsNoQuestionIsNotAnswered(t *testing.T) {
	s := newServer(Options{Zone: zone})
	cases := malformed(t)
	cases["an answer"] = answer(t, topo.A, nil, first)
	cases["no question"] = answer(t, topo.A, func(m *dnsmessage.Message) { m.Response, m.Questions = false, nil })
	cases["two questions"] = answer(t, topo.A, func(m *dnsmessage.Message) { m.Response, m.Questions = false, slices.Repeat(m.Questions, 2) })
	for name, b := range cases {
		if got := answers(s, b, maxDatagram); len(got) != 0 {
			t.Errorf("%s: %x", name, got)
		}
	}
}

// timers is how many timers of the kernel's this process has.
func timers(t *testing.T) (n int) {
	t.Helper()
	const folder = "/proc/self/fd"
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if to, _ := os.Readlink(filepath.Join(folder, f.Name())); to == "anon_inode:[timerfd]" {
			n++
		}
	}
	return n
}

// However much is asked, no more than a number of answers wait for their time; they
// go with the server.
func TestDelayedAnswersAreBounded(t *testing.T) {
	s := newServer(Options{Zone: zone, Delay: map[topo.RecordType]time.Duration{topo.A: time.Hour}})
	before, query := timers(t), ask(t, host, topo.A)
	for range MostDelayed + 10 {
		s.answer(asker, query, maxDatagram, func([]byte) { t.Error("an answer before its time") })
	}
	if n := timers(t) - before; n != MostDelayed {
		t.Errorf("%d answers wait, want %d", n, MostDelayed)
	}
	if n := len(answers(s, ask(t, host, topo.AAAA), maxDatagram)); n != 1 {
		t.Errorf("%d answers to what is not delayed", n)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if n := timers(t) - before; n != 0 {
		t.Errorf("%d timers are left", n)
	}
}

// An answer that has been given makes room for another one.
func TestDelayedAnswersMakeRoom(t *testing.T) {
	s := newServer(Options{Zone: zone, Delay: map[topo.RecordType]time.Duration{topo.A: time.Microsecond}})
	query := ask(t, host, topo.A)
	for range MostDelayed + 10 {
		given := false
		s.answer(asker, query, maxDatagram, func([]byte) { given = true })
		if s.work.Wait(); !given {
			t.Fatal("no answer")
		}
	}
}

// A server gives one sound answer to a question, whatever the question, or none.
func FuzzAnswer(f *testing.F) {
	for _, b := range malformed(f) {
		f.Add(b, true)
	}
	for _, name := range []string{host, "many.example", "none.example", "other.example", ""} {
		for _, typ := range topo.RecordTypes {
			f.Add(ask(f, name, typ), true)
			f.Add(ask(f, name, typ), false)
		}
	}
	s := newServer(Options{Zone: zone})
	f.Fuzz(func(t *testing.T, query []byte, datagram bool) {
		most := 1<<16 - 1
		if datagram {
			most = maxDatagram
		}
		got := answers(s, query, most)
		if len(got) == 0 {
			return
		}
		var asked, m dnsmessage.Message
		if err := asked.Unpack(query); err != nil {
			t.Fatalf("an answer to %x", query)
		}
		if err := m.Unpack(got[0]); err != nil {
			t.Fatalf("%x: %v", got[0], err)
		}
		if len(got) != 1 || len(got[0]) > most || m.ID != asked.ID || !m.Response || !slices.Equal(m.Questions, asked.Questions) {
			t.Errorf("%d answers of %d bytes to %v: %v", len(got), len(got[0]), asked, m)
		}
	})
}
