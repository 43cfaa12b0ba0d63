package verdict

import (
	"strings"
	"testing"

	"testbed/observe"
	"testbed/scenarios/spec"
	"testbed/topo"
)

// arriving gives a packet the hop limit with which it arrives.
func arriving(ttl uint8, j observe.Journey) observe.Journey {
	j.Last().Packet.TTL = ttl
	return j
}

func TestResetBy(t *testing.T) {
	const S, A, R = topo.SYN, topo.ACK, topo.RST
	link := [2]string{"fw", "server"}
	syn := from("client", sent(0, client, server, S, 100, 0), 0)
	byServer := arriving(63, from("server", sent(100*ms, server, client, R|A, 0, 0), 101))
	byFirewall := arriving(64, from("fw", sent(50*ms, server, client, R|A, 0, 0), 101))
	byClient := arriving(62, from("client", sent(10*ms, client, server, R, 101, 0), 0))
	byLink := arriving(128, observe.Journey{Sightings: sent(20*ms, server, client, R, 0, 0).Sightings[1:], Made: &observe.Strike{Link: link}, Fate: observe.Fate{Delivered: true}})
	lost := from("fw", sent(30*ms, server, client, R, 0, 0), 0)
	lost.Fate = observe.Fate{Drop: observe.Drop{Node: "fw"}}
	for _, c := range []struct {
		name     string
		kind     Kind
		journeys []observe.Journey
		node     string
		link     *[2]string
		observed string
		note     string
		ok       bool
	}{
		{"the server", Connect, []observe.Journey{syn, lost, byServer}, "server", nil, "server", "TTL of 63, after 1 router", true},
		{"the firewall, first", Connect, []observe.Journey{syn, byServer, byFirewall}, "server", nil, "fw", "expected server, observed fw: it arrived with a TTL of 64, after 0 routers", false},
		{"the link", Exchange, []observe.Journey{byLink}, "", &[2]string{"server", "fw"}, "fw – server", "TTL of 128, after 0 routers", true},
		{"another link", Exchange, []observe.Journey{byLink}, "", &[2]string{"client", "fw"}, "fw – server", "expected client – fw", false},
		{"a node, not the link", Exchange, []observe.Journey{byServer}, "", &link, "server", "expected fw – server", false},
		{"not the client's own", Await, []observe.Journey{byClient, byServer}, "server", nil, "server", "", true},
		{"the client's own", Close, []observe.Journey{byClient, byServer}, "client", nil, "client", "after 2 routers", true},
		{"nobody", Connect, []observe.Journey{syn, lost}, "server", nil, "nobody", "no RST arrived", false},
	} {
		j := judge{o: &Observation{Kind: c.kind, From: "client", Journeys: c.journeys}}
		got := j.resetBy(c.node, c.link)
		if got.OK != c.ok || got.Observed != c.observed || !strings.Contains(got.Note, c.note) {
			t.Errorf("%s: %+v, want %q, the note %q and %v", c.name, got, c.observed, c.note, c.ok)
		}
	}
	o := &Observation{Kind: Connect, Outcome: "refused", Attempt: "refused", Errno: "ECONNREFUSED", From: "client", Journeys: []observe.Journey{syn, byServer}}
	if v := Judge(&spec.Step{Connect: &spec.Connect{}, Expect: &spec.Expect{ResetBy: "server"}}, o); !v.OK || len(v.Checks) != 1 {
		t.Errorf("a reset that is expected is a failure: %+v", v)
	}
}

func TestNegotiated(t *testing.T) {
	const S, A = topo.SYN, topo.ACK
	options := func(j observe.Journey, o observe.TCPOptions, ts, ece, cwr bool) observe.Journey {
		h := j.Packet().TCP // both sightings share it
		h.Options, h.HasTS, h.ECE, h.CWR = o, ts, ece, cwr
		return j
	}
	full := observe.TCPOptions{MSS: 1460, HasWindowScale: true, SACKPermitted: true}
	syn := options(from("client", sent(0, client, server, S, 1, 0), 0), full, true, true, true)
	answer := options(from("server", sent(100*ms, server, client, S|A, 7, 0), 2), full, true, true, false)
	poor := options(from("server", sent(100*ms, server, client, S|A, 7, 0), 2), observe.TCPOptions{MSS: 1400}, false, false, false)
	bare := options(from("server", sent(100*ms, server, client, S|A, 7, 0), 2), observe.TCPOptions{}, false, true, true)
	clamped := translated(syn, client, server) // the sightings beyond have no options
	lost := answer
	lost.Fate = observe.Fate{Pending: true}
	for _, c := range []struct {
		name string
		js   []observe.Journey
		want *Negotiation
	}{
		{"everything", []observe.Journey{syn, answer}, &Negotiation{MSS: 1460, WScale: true, SACK: true, Timestamps: true, ECN: true}},
		{"what one end does not offer", []observe.Journey{syn, poor}, &Negotiation{MSS: 1400}},
		{"no options, and ECN that is refused", []observe.Journey{syn, bare}, &Negotiation{MSS: 536}},
		{"what a node on the way takes out", []observe.Journey{clamped, answer}, &Negotiation{MSS: 536}},
		{"no answer", []observe.Journey{syn, lost}, nil},
	} {
		got := NegotiationOf(&Observation{Local: client, Journeys: c.js})
		if (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	want := &spec.Negotiated{MSS: number(1460), WScale: ptr(true), SACK: ptr(true), Timestamps: ptr(false), ECN: ptr(true)}
	j := judge{o: &Observation{Kind: Exchange, Local: client, Earlier: []observe.Journey{syn, answer}}}
	if got := j.negotiated(want); got.OK || got.Note != "expected timestamps false, observed true" {
		t.Errorf("%+v", got)
	}
	want.Timestamps = ptr(true)
	if got := j.negotiated(want); !got.OK || got.Observed != "mss 1460, wscale true, sack true, timestamps true, ecn true" {
		t.Errorf("%+v", got)
	}
	if got := (&judge{o: &Observation{Local: client}}).negotiated(want); got.OK || got.Observed != "nothing" {
		t.Errorf("%+v", got)
	}
}
