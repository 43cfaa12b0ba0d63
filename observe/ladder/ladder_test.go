package ladder

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clipperhouse/displaywidth"

	"testbed/netem"
	"testbed/observe"
	"testbed/topo"
)

var update = flag.Bool("update", false, "write the drawings under testdata anew")

const (
	ms = time.Millisecond
	S  = topo.SYN
	A  = topo.ACK
	SA = topo.SYN | topo.ACK
	PA = topo.PSH | topo.ACK
	FA = topo.FIN | topo.ACK
	RA = topo.RST | topo.ACK
	// wraps is an initial sequence number whose successors soon pass 2^32.
	wraps = 4_294_967_000
)

// wire is a chain of nodes, link i between nodes i and i+1, and the packets
// that crossed it.
type wire struct {
	nodes    []string
	delays   []time.Duration
	nat      int
	journeys []observe.Journey
}

var (
	cli, srv uint32 = 3_000_000_000, wraps

	epoch   = time.Unix(1_700_000_000, 0)
	private = netip.MustParseAddrPort("10.0.0.1:40000")
	public  = netip.MustParseAddrPort("192.0.2.1:61000")
	remote  = netip.MustParseAddrPort("198.51.100.2:443")
)

func chain(delay time.Duration, nodes ...string) *wire {
	w := &wire{nodes: nodes, nat: -1}
	for range nodes[1:] {
		w.delays = append(w.delays, delay)
	}
	return w
}

func (w *wire) ends(link int) [2]string { return [2]string{w.nodes[link], w.nodes[link+1]} }

// packet makes the packet as it is on a link: the client is the first node,
// and is seen as the NAT's public address beyond the NAT.
func (w *wire) packet(right bool, link int, t observe.TCP) *observe.Packet {
	src, dst := private, remote
	if w.nat >= 0 && link >= w.nat {
		src = public
	}
	if !right {
		src, dst = dst, src
	}
	t.SrcPort, t.DstPort = src.Port(), dst.Port()
	return &observe.Packet{Src: src.Addr(), Dst: dst.Addr(), Proto: 6, TCP: &t}
}

// send lets a segment travel from one node to another and returns its journey.
func (w *wire) send(at time.Duration, from, to int, f topo.TCPFlags, seq, ack uint32, payload int) *observe.Journey {
	step := 1
	if to < from {
		step = -1
	}
	j := observe.Journey{Fate: observe.Fate{Delivered: true}}
	for n := from; n != to; n += step {
		link, side := n, netem.Side(0)
		if step < 0 {
			link, side = n-1, 1
		}
		p := w.packet(step > 0, link, observe.TCP{Flags: f, Seq: seq, Ack: ack, Payload: payload})
		j.Sightings = append(j.Sightings, observe.Sighting{Time: epoch.Add(at), Link: link, Side: side, Sent: true, Packet: p})
		at += w.delays[link] + 60*time.Microsecond
		j.Sightings = append(j.Sightings, observe.Sighting{Time: epoch.Add(at), Link: link, Side: side.Other(), Packet: p})
		at += 20 * time.Microsecond
	}
	w.journeys = append(w.journeys, j)
	return &w.journeys[len(w.journeys)-1]
}

// icmp lets a node answer a packet of the first node with an ICMP error.
func (w *wire) icmp(at time.Duration, from int, kind, code uint8) {
	j := w.send(at, from, 0, 0, 0, 0, 0)
	for i := range j.Sightings {
		p := &observe.Packet{Src: remote.Addr(), Dst: private.Addr(), Proto: 1, ICMP: &observe.ICMP{Type: kind, Code: code}}
		j.Sightings[i].Packet = p
	}
}

// dies makes a journey end with a cause where it last was.
func dies(j *observe.Journey, d observe.Drop) *observe.Journey {
	j.Fate = observe.Fate{Drop: d}
	return j
}

// lost makes a journey end on the link that it crossed last.
func (w *wire) lost(j *observe.Journey, c netem.Cause) *observe.Journey {
	j.Sightings = j.Sightings[:len(j.Sightings)-1]
	l := j.Last()
	e := w.ends(l.Link)
	return dies(j, observe.Drop{Link: [2]string{e[l.Side], e[l.Side.Other()]}, Cause: observe.Cause(c)})
}

func again(j *observe.Journey) { j.Retransmission = true }

func (w *wire) diagram() Diagram { return From(w.journeys, w.nodes, w.ends) }

// handshake opens a connection and returns when the client has sent its ACK.
func (w *wire) handshake() time.Duration {
	last := len(w.nodes) - 1
	var owd time.Duration
	for _, d := range w.delays {
		owd += d + 80*time.Microsecond
	}
	w.send(0, 0, last, S, cli, 0, 0)
	w.send(owd, last, 0, SA, srv, cli+1, 0)
	w.send(2*owd, 0, last, A, cli+1, srv+1, 0)
	return 2*owd + 30*time.Microsecond
}

func plain() *wire {
	w := chain(100*ms, "client", "server")
	w.handshake()
	return w
}

func firewall(nodes ...string) *wire {
	w := chain(20*ms, nodes...)
	for i, at := range []time.Duration{0, 1021 * ms, 3069 * ms} {
		j := w.send(at, 0, 1, S, cli, 0, 0)
		dies(j, observe.Drop{Node: nodes[1], Cause: observe.ByRule, Rule: "block-web"})
		j.Retransmission = i > 0
	}
	return w
}

func loss() *wire {
	w := chain(25*ms, "client", "router", "server")
	w.lost(w.send(0, 0, 2, S, cli, 0, 0), netem.Lost)
	again(w.send(1021*ms, 0, 2, S, cli, 0, 0))
	w.lost(w.send(1072*ms, 2, 1, SA, srv, cli+1, 0), netem.Lost)
	again(w.send(2072*ms, 2, 0, SA, srv, cli+1, 0))
	w.send(2123*ms, 0, 2, A, cli+1, srv+1, 0)
	return w
}

// impaired is a stream of which a link loses a burst, corrupts a segment and lets
// one overtake two.
func impaired() *wire {
	w := chain(20*ms, "client", "router", "server")
	at := w.handshake()
	for i := range uint32(3) {
		w.lost(w.send(at, 0, 1, PA, cli+1+100*i, srv+1, 100), "burst")
	}
	w.lost(w.send(at+ms, 0, 2, PA, cli+301, srv+1, 100), netem.Overflow)
	corrupted(w.send(at+2*ms, 0, 2, PA, cli+401, srv+1, 100), "client", "router")
	corrupted(w.send(at+3*ms, 0, 1, PA, cli+501, srv+1, 100), "client", "router")
	for i := range uint32(3) {
		j := w.send(at+100*ms+time.Duration(i)*ms, 0, 2, PA, cli+1+100*i, srv+1, 100)
		again(j)
		if i == 2 {
			for k := range j.Sightings[1:] {
				j.Sightings[k+1].Time = j.Sightings[k+1].Time.Add(-20 * ms)
			}
		}
	}
	return w
}

// corrupted makes a journey's packet have a wrong checksum since a link.
func corrupted(j *observe.Journey, from, to string) {
	dies(j, observe.Drop{Link: [2]string{from, to}, Cause: observe.Corrupted})
	for i := range j.Sightings[1:] {
		s := &j.Sightings[i+1]
		s.Corrupted = true
		p := *s.Packet
		h := *p.TCP
		h.SrcPort ^= 4
		p.TCP, s.Packet = &h, &p
	}
}

func closedPort() *wire {
	w := chain(50*ms, "client", "server")
	w.send(0, 0, 1, S, cli, 0, 0)
	w.send(50*ms+100*time.Microsecond, 1, 0, RA, 0, cli+1, 0)
	return w
}

func reject() *wire {
	w := chain(20*ms, "client", "fw", "server")
	rule := observe.Drop{Node: "fw", Cause: observe.ByRule, Rule: "no-web", Answer: "port-unreachable"}
	dies(w.send(0, 0, 1, S, cli, 0, 0), rule)
	w.icmp(20*ms+90*time.Microsecond, 1, 3, 3)
	rule.Answer = "tcp-reset"
	dies(w.send(60*ms, 0, 1, S, cli+9, 0, 0), rule)
	w.send(80*ms+90*time.Microsecond, 1, 0, RA, 0, cli+10, 0)
	return w
}

func nat() *wire {
	w := chain(5*ms, "phone", "cgnat", "internet", "server")
	w.nat = 1
	w.handshake()
	w.send(40*ms, 0, 3, PA, cli+1, srv+1, 5)
	w.send(56*ms, 3, 0, A, srv+1, cli+6, 0)
	w.send(56*ms+200*time.Microsecond, 3, 0, PA, srv+1, cli+6, 5)
	w.send(72*ms, 0, 3, A, cli+6, srv+6, 0)
	for i, at := range []time.Duration{8100 * ms, 8320 * ms, 8770 * ms} {
		j := w.send(at, 0, 1, PA, cli+6, srv+6, 12)
		dies(j, observe.Drop{Node: "cgnat", Cause: observe.ByRule, Rule: "unknown-flow"})
		j.Retransmission = i > 0
	}
	return w
}

func https() *wire {
	w := chain(50*ms, "client", "server")
	w.handshake()
	w.send(101*ms, 0, 1, PA, cli+1, srv+1, 517)
	w.send(151*ms, 1, 0, A, srv+1, cli+518, 0)
	w.send(153*ms, 1, 0, PA, srv+1, cli+518, 1219)
	w.send(204*ms, 0, 1, A, cli+518, srv+1220, 0)
	w.send(205*ms, 0, 1, PA, cli+518, srv+1220, 64)
	w.send(206*ms, 0, 1, PA, cli+582, srv+1220, 86)
	w.send(256*ms, 1, 0, PA, srv+1220, cli+668, 255)
	w.send(307*ms, 0, 1, FA, cli+668, srv+1475, 0)
	w.send(357*ms, 1, 0, FA, srv+1475, cli+669, 0)
	w.send(408*ms, 0, 1, A, cli+669, srv+1476, 0)
	return w
}

// five is a long path with something dying at each place.
func five() *wire {
	w := chain(10*ms, "client", "access-router-1", "core", "access-router-2", "server")
	at := w.handshake()
	w.send(at, 0, 4, PA, cli+1, srv+1, 1448)
	w.lost(w.send(at+ms, 0, 4, PA, cli+1449, srv+1, 1448), netem.Lost)
	dies(w.send(at+41*ms, 4, 2, A, srv+1, cli+1449, 0), observe.Drop{Node: "core", Cause: observe.ByBlackhole})
	w.lost(w.send(at+52*ms, 4, 1, A, srv+1, cli+1449, 0), netem.Overflow)
	again(dies(w.send(at+300*ms, 0, 1, PA, cli+1449, srv+1, 1448), observe.Drop{Node: "access-router-1", Cause: observe.ByNoRoute}))
	w.icmp(at+311*ms, 1, 3, 0)
	j := w.send(at+400*ms, 0, 3, PA, cli+1449, srv+1, 1448)
	j.Sightings = j.Sightings[:5]
	j.Fate = observe.Fate{Pending: true}
	again(j)
	return w
}

// stream is a connection of many segments.
func stream() *wire {
	w := chain(10*ms, "client", "router", "server")
	at := w.handshake()
	for i := range uint32(100) {
		w.send(at+time.Duration(i)*2*ms, 0, 2, PA, cli+1+1448*i, srv+1, 1448)
		w.send(at+20*ms+time.Duration(i)*2*ms, 2, 0, A, srv+1, cli+1+1448*(i+1), 0)
	}
	return w
}

func TestDrawings(t *testing.T) {
	for _, c := range []struct {
		name string
		wire *wire
		o    Options
	}{
		{"handshake", plain(), Options{}},
		{"firewall-drop", firewall("client", "fw", "server"), Options{}},
		{"loss", loss(), Options{}},
		{"impaired", impaired(), Options{}},
		{"closed-port", closedPort(), Options{}},
		{"reject", reject(), Options{}},
		{"nat", nat(), Options{}},
		{"https", https(), Options{}},
		{"five", five(), Options{}},
		{"five-narrow", five(), Options{Width: 64}},
		{"eight", firewall("a", "b", "c", "d", "e", "f", "g", "h"), Options{}},
		{"stream", stream(), Options{MaxRows: 40}},
		{"ascii", loss(), Options{ASCII: true, Width: 80}},
		{"unicode", firewall("客户端", "mür", "naïve-сервер"), Options{Width: 70}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := c.wire.diagram().Render(c.o)
			checkLines(t, got, c.o)
			file := filepath.Join("testdata", c.name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// checkLines holds what is true of every drawing: no line is too wide or ends
// in a space, and ASCII is ASCII.
func checkLines(t *testing.T, drawing string, o Options) {
	t.Helper()
	most := o.Width
	if most == 0 {
		most = 100
	}
	for line := range strings.Lines(drawing) {
		line = strings.TrimSuffix(line, "\n")
		if w := displaywidth.String(line); w > most {
			t.Errorf("%d columns: %s", w, line)
		}
		if strings.HasSuffix(line, " ") {
			t.Errorf("ends in a space: %q", line)
		}
		if o.ASCII && strings.IndexFunc(line, func(r rune) bool { return r > 126 }) >= 0 {
			t.Errorf("not ASCII: %s", line)
		}
	}
}
