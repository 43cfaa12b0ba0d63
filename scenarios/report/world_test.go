package report

import (
	"net/netip"
	"slices"
	"time"

	"testbed/agents"
	"testbed/netem"
	"testbed/observe"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

// world makes observations by hand: client – fw – server, 20 ms and 30 ms.
type world struct {
	nodes []string
	delay []time.Duration
	obs   *verdict.Observation
	step  *spec.Step
}

var (
	began      = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	clientAddr = netip.MustParseAddrPort("10.0.0.1:40000")
	serverAddr = netip.MustParseAddrPort("10.0.0.6:80")
	fwAddr     = netip.MustParseAddr("10.0.0.2")
	synAckBits = topo.SYN | topo.ACK
)

const ms = time.Millisecond

func newWorld(outcome agents.Outcome, errno string, elapsed time.Duration) *world {
	w := &world{nodes: []string{"client", "fw", "server"}, delay: []time.Duration{20 * ms, 30 * ms}}
	w.step = &spec.Step{Line: 20, Connect: &spec.Connect{From: "client", Target: spec.Target{Host: "server", Port: 80}}}
	w.obs = &verdict.Observation{
		Step: 1, Kind: verdict.Connect, Title: "connect server:80 from client", From: "client", Target: "server",
		Began: began, Elapsed: elapsed, Outcome: outcome, Errno: errno, Local: clientAddr, Remote: serverAddr,
		Path: verdict.Path{Nodes: w.nodes, There: w.delay, Return: backwards(w.nodes), Back: backwards(w.delay)}, StateSource: observe.FromTracepoint,
	}
	return w
}

func (w *world) kind(k verdict.Kind, s *spec.Step) *world {
	w.obs.Kind, w.step = k, s
	w.obs.Title = string(k) + " from client"
	return w
}

func tcp(flags topo.TCPFlags, payload int) *observe.Packet {
	p := &observe.Packet{Src: clientAddr.Addr(), Dst: serverAddr.Addr(), Proto: 6, TTL: 64, Length: 52 + payload,
		TCP: &observe.TCP{SrcPort: clientAddr.Port(), DstPort: serverAddr.Port(), Seq: 1000, Flags: flags, Payload: payload}}
	if flags&topo.ACK != 0 {
		p.TCP.Seq, p.TCP.Ack = 1001, 5001
	}
	return p
}

func reply(flags topo.TCPFlags, payload int) *observe.Packet {
	p := tcp(flags, payload)
	p.Src, p.Dst = p.Dst, p.Src
	p.TCP.SrcPort, p.TCP.DstPort = p.TCP.DstPort, p.TCP.SrcPort
	p.TCP.Seq, p.TCP.Ack = 5000, 1001
	return p
}

func icmp(src netip.Addr, kind, code uint8) *observe.Packet {
	return &observe.Packet{Src: src, Dst: clientAddr.Addr(), Proto: 1, TTL: 64, Length: 80,
		ICMP: &observe.ICMP{Type: kind, Code: code, Quoted: tcp(topo.SYN, 0)}}
}

// sends adds a packet that leaves a node at some time after the beginning and
// travels as far as its fate lets it.
func (w *world) sends(at time.Duration, node string, p *observe.Packet, f observe.Fate) *world {
	toServer := p.Dst == serverAddr.Addr()
	i, step := slices.Index(w.nodes, node), -1
	if toServer {
		step = 1
	}
	j := observe.Journey{Fate: f, Sender: node}
	for k := range w.obs.Journeys {
		q := w.obs.Journeys[k].Packet()
		j.Retransmission = j.Retransmission || q.TCP != nil && p.TCP != nil && *q.TCP == *p.TCP && q.Src == p.Src
	}
	t := began.Add(at)
	for next := i + step; next >= 0 && next < len(w.nodes); i, next = next, next+step {
		if f.Drop.Node == w.nodes[i] {
			break
		}
		link, side := min(i, next), netem.Side(0)
		if step < 0 {
			side = 1
		}
		j.Sightings = append(j.Sightings, observe.Sighting{Time: t, Link: link, Side: side, Sent: true, Packet: p})
		if f.Drop.Link == [2]string{w.nodes[i], w.nodes[next]} || f.Pending {
			break
		}
		t = t.Add(w.delay[link])
		j.Sightings = append(j.Sightings, observe.Sighting{Time: t, Link: link, Side: side.Other(), Packet: p})
		onward := *p // from the next router
		onward.TTL--
		p = &onward
	}
	w.obs.Journeys = append(w.obs.Journeys, j)
	return w
}

var arrives = observe.Fate{Delivered: true}

func byRule(node, rule, answer string) observe.Fate {
	return observe.Fate{Drop: observe.Drop{Node: node, Cause: observe.ByRule, Rule: rule, Answer: answer}}
}

func at(node string, c observe.Cause) observe.Fate {
	return observe.Fate{Drop: observe.Drop{Node: node, Cause: c}}
}

func onTheLink(from, to string, c netem.Cause) observe.Fate {
	return observe.Fate{Drop: observe.Drop{Link: [2]string{from, to}, Cause: observe.Cause(c)}}
}

func byFault(from, to, name string) observe.Fate {
	return observe.Fate{Drop: observe.Drop{Link: [2]string{from, to}, Cause: observe.Cause(netem.Faulted), Fault: name, Answer: "tcp-reset"}}
}

// makes adds a packet to the client that a fault makes on the link of the server.
func (w *world) makes(at time.Duration, p *observe.Packet, fault string) *world {
	w.sends(at, "server", p, arrives)
	j := &w.obs.Journeys[len(w.obs.Journeys)-1]
	j.Sightings, j.Sender = j.Sightings[1:], ""
	j.Made = &observe.Strike{Link: [2]string{"fw", "server"}, Fault: fault, Do: netem.ResetConnection}
	return w
}

// struck adds faults to the packet that was added last.
func (w *world) struck(all ...observe.Strike) *world {
	w.obs.Journeys[len(w.obs.Journeys)-1].Strikes = all
	return w
}

// serving is network with a server on port 80.
func serving() topo.Topology {
	t := network()
	t.Nodes[2].Listen = []topo.Listener{{Port: 80, Serve: topo.ServeHTTP}}
	return t
}

func (w *world) syns(f observe.Fate, at ...time.Duration) *world {
	for _, t := range at {
		w.sends(t, "client", tcp(topo.SYN, 0), f)
	}
	return w
}

// handshake adds a complete one that begins at some time.
func (w *world) handshake(at time.Duration) *world {
	oneWay := w.delay[0] + w.delay[1]
	w.sends(at, "client", tcp(topo.SYN, 0), arrives)
	w.sends(at+oneWay+60*time.Microsecond, "server", reply(synAckBits, 0), arrives)
	return w.sends(at+2*oneWay+100*time.Microsecond, "client", tcp(topo.ACK, 0), arrives)
}

func (w *world) states(client, server []observe.State) *world {
	for i, s := range client {
		w.obs.ClientStates = append(w.obs.ClientStates, observe.StateChange{Time: began.Add(time.Duration(i) * 100 * ms), State: s})
	}
	for i, s := range server {
		w.obs.ServerStates = append(w.obs.ServerStates, observe.StateChange{Time: began.Add(time.Duration(i) * 100 * ms), State: s})
	}
	return w
}

func (w *world) connectTime(d time.Duration) *world { w.obs.ConnectTime = &d; return w }
func (w *world) acceptTime(d time.Duration) *world {
	w.obs.AcceptTime, w.obs.AcceptSource = &d, observe.FromTracepoint
	return w
}

func (w *world) rule(node, rule string, a topo.Action, n uint64) *world {
	w.obs.Rules = append(w.obs.Rules, observe.RuleCount{Node: node, Rule: rule, Action: a, Packets: n})
	return w
}

func network() topo.Topology {
	return topo.Topology{
		Nodes: []topo.Node{{Name: "client"}, {Name: "fw", Role: topo.Router}, {Name: "server"}},
		Links: []topo.Link{{Ends: [2]string{"client", "fw"}}, {Ends: [2]string{"fw", "server"}}},
	}
}

func backwards[T any](list []T) []T {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}
