package report

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"testbed/agents"
	"testbed/observe"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

// asking makes a world's target a name that dns was asked for.
func (w *world) asking(f spec.Family, after time.Duration, queries ...verdict.Query) *world {
	w.step.Connect.Family, w.step.Connect.Target.Host = f, "www.example"
	for i := range queries {
		queries[i].Server, queries[i].Node = fwAddr, "dns"
	}
	w.obs.Name, w.obs.ResolveTime, w.obs.Queries = "www.example", &after, queries
	return w
}

// unresolved is a name that came to nothing.
func unresolved(outcome agents.Outcome, errno string, after time.Duration, queries ...verdict.Query) *world {
	w := newWorld(outcome, errno, after).asking(spec.IPv4, after, queries...)
	w.obs.Target, w.obs.Remote, w.obs.Path = "", netip.AddrPort{}, verdict.Path{}
	return w
}

// datagram is a DNS message of the client's, or of the resolver's if it is an
// answer.
func datagram(m observe.DNS, drop observe.Drop) observe.Journey {
	p := &observe.Packet{Src: clientAddr.Addr(), Dst: fwAddr, Proto: 17, UDP: &observe.UDP{SrcPort: 5000, DstPort: 53, DNS: &m}}
	return observe.Journey{Sightings: []observe.Sighting{{Time: began, Sent: true, Packet: p}}, Fate: observe.Fate{Drop: drop}}
}

func nameCases() []storyCase {
	six := netip.MustParseAddrPort("[2001:db8::6]:80")
	addresses := func(t topo.RecordType, a netip.Addr) verdict.Query {
		return verdict.Query{Type: t, Elapsed: 20 * ms, Reply: "NOERROR", Addresses: []netip.Addr{a}}
	}
	both := []verdict.Query{addresses(topo.AAAA, six.Addr()), addresses(topo.A, serverAddr.Addr())}
	raced := up().handshake(0).asking(spec.HappyEyeballs, 20*ms, both...)
	raced.obs.Attempts = []verdict.Attempt{
		{To: six, Node: "server", At: 20 * ms, Elapsed: 350 * ms, Outcome: agents.Abandoned},
		{To: serverAddr, Node: "server", At: 270 * ms, Elapsed: 100 * ms, Outcome: agents.Connected},
	}
	turned := up().handshake(0).asking(spec.AnyFamily, 20*ms, both...)
	turned.obs.Attempts = []verdict.Attempt{
		{To: six, At: 20 * ms, Elapsed: 10 * ms, Outcome: agents.NetworkUnreachable, Errno: "ENETUNREACH"},
		{To: serverAddr, Node: "server", At: 30 * ms, Elapsed: 100 * ms, Outcome: agents.Connected},
	}
	silent := unresolved(agents.ResolutionFailed, "EAI_AGAIN", 10*time.Second,
		verdict.Query{Type: topo.A, Elapsed: 5 * time.Second, Reply: "timed-out"}, verdict.Query{Type: topo.A, Elapsed: 5 * time.Second, Reply: "timed-out"})
	drop := observe.Drop{Node: "fw", Cause: observe.ByRule, Rule: "no-dns"}
	silent.obs.Beside = []observe.Journey{datagram(observe.DNS{Type: "A"}, drop), datagram(observe.DNS{Type: "A"}, drop)}
	own := unresolved(agents.TimedOut, "", time.Second, verdict.Query{Type: topo.A, Elapsed: time.Second, Reply: "abandoned"})
	own.obs.Deadline = true
	return []storyCase{
		{name: "Happy Eyeballs, IPv6 abandoned", world: raced},
		{name: "one address after the other", world: turned, checks: bad("connected_to", "fw", "10.0.0.6")},
		{name: "a name that does not exist", world: unresolved(agents.NoSuchName, "EAI_NONAME", 50*ms, verdict.Query{Type: topo.A, Elapsed: 50 * ms, Reply: "NXDOMAIN"})},
		{name: "a name without addresses", world: unresolved(agents.NoSuchName, "EAI_NONAME", 50*ms, verdict.Query{Type: topo.A, Elapsed: 50 * ms, Reply: "NOERROR"})},
		{name: "a silent resolver behind a firewall", world: silent, checks: bad("outcome", "connected", "resolution-failed")},
		{name: "no resolver there", world: unresolved(agents.ResolutionFailed, "EAI_AGAIN", 20*ms, verdict.Query{Type: topo.A, Elapsed: 10 * ms, Reply: "ECONNREFUSED"})},
		{name: "the step's own timeout while a name is resolved", world: own},
	}
}

func TestJSONTellsOfNames(t *testing.T) {
	w := nameCases()[0].world
	w.obs.Beside = []observe.Journey{datagram(observe.DNS{Response: true, Type: "A", RCode: "NOERROR", Name: "www.example"}, observe.Drop{})}
	r := &verdict.Result{Scenario: &spec.Scenario{Name: "names"}, Steps: []verdict.StepResult{{Step: w.step, Observation: w.obs}}}
	d := NewDocument([]*verdict.Result{r}).Scenarios[0].Steps[0]
	if d.Name != "www.example" || *d.ResolveTimeNS != int64(20*ms) || len(d.Queries) != 2 || d.Queries[0].Addresses[0] != "2001:db8::6" || d.Queries[1].Reply != "NOERROR" {
		t.Errorf("%+v", d.Queries)
	}
	if len(d.Attempts) != 2 || d.Attempts[0].Outcome != "abandoned" || d.Attempts[1].AtNS != int64(270*ms) || len(d.Beside) != 1 || d.Beside[0].Packet.DNS.RCode != "NOERROR" {
		t.Errorf("%+v, %+v", d.Attempts, d.Beside)
	}
}

func TestABackgroundProgramIsToldOf(t *testing.T) {
	for want, o := range map[string]verdict.Observation{
		"listened on port 80 after 20ms":  {Ready: 80},
		"goes on until the scenario ends": {},
		"did not listen on port 80":       {Ready: 80, Deadline: true},
		"exit code 3, before it listened": {Ready: 80, Outcome: agents.Failed, Exit: 3},
		"did not start: no such file":     {Outcome: agents.Failed, Exit: 127, Detail: "no such file"},
	} {
		o.Kind, o.Background, o.Elapsed = verdict.Exec, true, 20*ms
		if got := Explain(nil, &o, verdict.Verdict{OK: true}); !strings.Contains(got, want) {
			t.Errorf("%q does not say %q", got, want)
		}
	}
}
