package ladder

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"testbed/netem"
	"testbed/observe"
	"testbed/topo"
)

// TestUnlistedNode gives a node that packets crossed a column beside the one
// they came from.
func TestUnlistedNode(t *testing.T) {
	w := chain(ms, "client", "router", "server")
	w.send(0, 0, 2, S, cli, 0, 0)
	for _, c := range []struct{ listed, want []string }{
		{[]string{"client", "server"}, []string{"client", "router", "server"}},
		{[]string{"client"}, []string{"client", "router", "server"}},
		{nil, []string{"client", "router", "server"}},
		{[]string{"client", "router", "server", "other"}, []string{"client", "router", "server", "other"}},
	} {
		if d := From(w.journeys, c.listed, w.ends); !slices.Equal(d.Columns, c.want) {
			t.Errorf("%v: got %v", c.listed, d.Columns)
		}
	}
}

// TestUnlistedNodeKeepsList makes sure that the caller's list stays as it was.
func TestUnlistedNodeKeepsList(t *testing.T) {
	w := chain(ms, "client", "router", "server")
	w.send(0, 0, 2, S, cli, 0, 0)
	listed := append(make([]string, 0, 8), "client", "server")
	From(w.journeys, listed, w.ends)
	if !slices.Equal(listed, []string{"client", "server"}) {
		t.Errorf("the list became %v", listed)
	}
}

// TestTurn draws a packet that comes back, as behind a NAT that hairpins, as
// two arrows.
func TestTurn(t *testing.T) {
	w := chain(ms, "a", "nat")
	j := w.send(0, 0, 1, S, cli, 0, 0)
	p := j.Packet()
	j.Sightings = append(j.Sightings,
		observe.Sighting{Time: epoch.Add(2 * ms), Link: 0, Side: 1, Sent: true, Packet: p},
		observe.Sighting{Time: epoch.Add(3 * ms), Link: 0, Side: 0, Packet: p})
	d := w.diagram()
	if len(d.Arrows) != 2 {
		t.Fatalf("got %+v", d.Arrows)
	}
	there, back := d.Arrows[0], d.Arrows[1]
	if !slices.Equal(there.Columns, []int{0, 1}) || !slices.Equal(back.Columns, []int{1, 0}) {
		t.Errorf("got %v and %v", there.Columns, back.Columns)
	}
	if back.Sent != 2*ms || back.Arrived != 3*ms || there.Sent != 0 {
		t.Errorf("got %+v", d.Arrows)
	}
	if !slices.Equal(back.Remarks, []string{"the same packet"}) {
		t.Errorf("got %v", back.Remarks)
	}
}

// TestTurnOnLink is the same for a packet that is lost on its way back.
func TestTurnOnLink(t *testing.T) {
	w := chain(ms, "a", "nat")
	j := w.send(0, 0, 1, S, cli, 0, 0)
	j.Sightings = append(j.Sightings, observe.Sighting{Time: epoch.Add(2 * ms), Side: 1, Sent: true, Packet: j.Packet()})
	j.Fate = observe.Fate{Drop: observe.Drop{Link: [2]string{"nat", "a"}, Cause: "loss"}}
	d := w.diagram()
	if len(d.Arrows) != 2 || d.Arrows[0].End != Arrived || d.Arrows[1].End != OnLink || d.Arrows[1].Toward != 0 {
		t.Fatalf("got %+v", d.Arrows)
	}
	if d.Arrows[0].Killed != "" || d.Arrows[1].Killed != "lost on nat – a" {
		t.Errorf("got %+v", d.Arrows)
	}
}

// TestDuplicate draws a packet that a link doubled as one.
func TestDuplicate(t *testing.T) {
	w := chain(ms, "client", "router", "server")
	j := w.send(0, 0, 2, S, cli, 0, 0)
	copies := slices.Clone(j.Sightings[1:])
	for i := range copies {
		copies[i].Time = copies[i].Time.Add(ms)
	}
	j.Sightings = append(j.Sightings, copies...)
	d := w.diagram()
	if len(d.Arrows) != 1 || !slices.Equal(d.Arrows[0].Columns, []int{0, 1, 2}) ||
		!slices.Equal(d.Arrows[0].Remarks, []string{"arrived twice"}) {
		t.Errorf("got %+v", d.Arrows)
	}
}

// TestOvertaking says of a packet how many it overtook on a link: those that left
// before it, in its direction, and arrived later.
func TestOvertaking(t *testing.T) {
	w := chain(10*ms, "client", "router", "server")
	early := func(j *observe.Journey) {
		j.Sightings[1].Time = j.Sightings[0].Time.Add(time.Microsecond)
	}
	w.send(0, 0, 1, PA, cli+1, srv+1, 100)
	w.send(ms, 0, 1, PA, cli+101, srv+1, 100)
	w.send(2*ms, 1, 0, A, srv+1, cli+1, 0)
	early(w.send(3*ms, 0, 1, PA, cli+201, srv+1, 100))
	early(w.send(4*ms, 0, 1, PA, cli+301, srv+1, 100))
	w.lost(w.send(5*ms, 0, 1, PA, cli+401, srv+1, 100), netem.Lost)
	w.send(10*ms+500*time.Microsecond, 0, 1, PA, cli+501, srv+1, 100)
	early(w.send(20*ms, 0, 1, PA, cli+601, srv+1, 100))
	var got []string
	for _, a := range w.diagram().Arrows {
		got = append(got, strings.Join(a.Remarks, ", "))
	}
	want := []string{"", "", "", "overtook 2 packets", "overtook 2 packets", "", "", "overtook a packet"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestDeliveredUnseen lets a delivered packet reach its end even if the capture
// missed the last sighting.
func TestDeliveredUnseen(t *testing.T) {
	w := chain(ms, "client", "server")
	j := w.send(0, 0, 1, S, cli, 0, 0)
	j.Sightings = j.Sightings[:1]
	a := w.diagram().Arrows[0]
	if a.End != Arrived || a.Arrived >= 0 || !slices.Equal(a.Columns, []int{0, 1}) {
		t.Errorf("got %+v", a)
	}
}

func numbersOf(w *wire) []string {
	var s []string
	for _, a := range w.diagram().Arrows {
		s = append(s, a.Name+" "+a.Numbers)
	}
	return s
}

// TestNumbers makes numbers relative to each direction's first one.
func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		name string
		send func(w *wire)
		want []string
	}{
		{"past 2^32, through a NAT", func(w *wire) {
			w.nat = 1
			w.send(0, 0, 2, S, cli, 0, 0)
			w.send(1*ms, 2, 0, SA, wraps, cli+1, 0)
			w.send(2*ms, 2, 0, PA, wraps+1, cli+1, 400)
			w.send(3*ms, 0, 2, A, cli+1, wraps+400-(1<<32-1), 0)
		}, []string{"SYN seq=0", "SYN-ACK seq=0 ack=1", "ACK seq=1 ack=1 len=400", "ACK seq=1 ack=401"}},
		{"of a connection that began before", func(w *wire) {
			w.send(0, 0, 2, PA, 7000, 9000, 12)
			w.send(1*ms, 2, 0, A, 9000, 7012, 0)
			w.send(2*ms, 0, 2, topo.RST, 7012, 0, 0)
		}, []string{"ACK seq=1 ack=1 len=12", "ACK seq=1 ack=13", "RST seq=13"}},
		{"of a SYN after a refused one", func(w *wire) {
			w.send(0, 0, 2, S, 7000, 0, 0)
			w.send(1*ms, 2, 0, RA, 0, 7001, 0)
			w.send(2*ms, 0, 2, S, 9000, 0, 0)
			w.send(3*ms, 2, 0, SA, 500, 9001, 0)
		}, []string{"SYN seq=0", "RST-ACK seq=0 ack=1", "SYN seq=0", "SYN-ACK seq=0 ack=1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := chain(100, "client", "nat", "server")
			c.send(w)
			if got := numbersOf(w); !slices.Equal(got, c.want) {
				t.Errorf("got %q", got)
			}
		})
	}
}

// TestClosedPort tells the server's RST from that of a firewall and from one on
// an open connection.
func TestClosedPort(t *testing.T) {
	for _, c := range []struct {
		name string
		w    *wire
		want bool
	}{
		{"closed port", closedPort(), true},
		{"firewall", reject(), false},
		{"open connection", func() *wire {
			w := plain()
			w.send(400*ms, 1, 0, topo.RST, srv+1, 0, 0)
			return w
		}(), false},
	} {
		as := c.w.diagram().Arrows
		if got := slices.Contains(as[len(as)-1].Remarks, "closed port"); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}

// TestWords names packets and what kills them.
func TestWords(t *testing.T) {
	for _, c := range []struct {
		p    observe.Packet
		want string
	}{
		{observe.Packet{Proto: 17, UDP: &observe.UDP{}}, "UDP"},
		{observe.Packet{Proto: 1, ICMP: &observe.ICMP{Type: 3, Code: 13}}, "ICMP admin prohibited"},
		{observe.Packet{Proto: 1, ICMP: &observe.ICMP{Type: 11}}, "ICMP TTL exceeded"},
		{observe.Packet{Proto: 58, ICMP: &observe.ICMP{Type: 1, Code: 4}}, "ICMPv6 port unreachable"},
		{observe.Packet{Proto: 58, ICMP: &observe.ICMP{Type: 2}}, "ICMPv6 packet too big"},
		{observe.Packet{Proto: 132}, "IP protocol 132"},
	} {
		if got := name(&c.p); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	link := [2]string{"a", "b"}
	last := []observe.Sighting{{Packet: &observe.Packet{Dst: netip.MustParseAddr("10.0.0.9")}}}
	for _, c := range []struct {
		d    observe.Drop
		want string
	}{
		{observe.Drop{Link: link, Cause: "loss"}, "lost on a – b"},
		{observe.Drop{Link: link, Cause: "fault", Fault: "x"}, "lost on a – b by fault x"},
		{observe.Drop{Link: link, Cause: "fault", Fault: "x", Answer: "tcp-reset"}, "reset on a – b by fault x"},
		{observe.Drop{Link: link, Cause: "corrupted", Fault: "x"}, "bad checksum, corrupted on a – b by fault x"},
		{observe.Drop{Link: link, Cause: "mtu"}, "too big for a – b"},
		{observe.Drop{Link: link, Cause: "link-down"}, "a – b is down"},
		{observe.Drop{Node: "r", Cause: observe.ByBlackhole}, "r: blackhole route"},
		{observe.Drop{Node: "r", Cause: observe.ByNoNeighbour}, "r: nobody answers for 10.0.0.9"},
		{observe.Drop{Node: "s", Cause: observe.ByFullQueue}, "s: accept queue full"},
		{observe.Drop{Node: "s", Cause: observe.ByNAT}, "s: no translation"},
		{observe.Drop{Node: "s", Cause: observe.ByExhaustion}, "s: no free port"},
		{observe.Drop{Node: "s", Cause: observe.ByFiltering}, "s: unsolicited"},
		{observe.Drop{Node: "s"}, "s: lost for an unknown reason"},
	} {
		if got := killed(&observe.Journey{Sightings: last, Fate: observe.Fate{Drop: c.d}}); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// TestStyle colours without changing what is drawn, and never across lines.
func TestStyle(t *testing.T) {
	mark := func(name string) func(string) string {
		return func(s string) string { return fmt.Sprintf("<%s>%s</>", name, s) }
	}
	style := Style{
		Name: mark("name"), Time: mark("time"), Line: mark("line"), Arrow: mark("arrow"), Label: mark("label"),
		Retransmission: mark("again"), Reset: mark("reset"), ICMP: mark("icmp"), Dead: mark("dead"), Gap: mark("gap"),
	}
	tags := regexp.MustCompile(`<[a-z]+>|</>`)
	for _, w := range []*wire{firewall("client", "fw", "server"), reject(), five(), https()} {
		d := w.diagram()
		got := d.Render(Options{Style: style})
		if plain := tags.ReplaceAllString(got, ""); plain != d.Render(Options{}) {
			t.Errorf("the style changed the drawing:\n%s", plain)
		}
		for line := range strings.Lines(got) {
			if strings.Count(line, "</>") != len(tags.FindAllString(line, -1))-strings.Count(line, "</>") {
				t.Errorf("unbalanced: %s", line)
			}
		}
	}
	got := reject().diagram().Render(Options{Style: style})
	for _, want := range []string{
		"<name>client</>", "<time>20.1 ms</>", "<dead>✗ fw: rule no-web (reject with port-unreachable)</>",
		"<icmp>", "<reset>", "<label>SYN seq=0</>",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}

func TestEmpty(t *testing.T) {
	if got := From(nil, []string{"a", "b"}, nil).Render(Options{}); got != "" {
		t.Errorf("got %q", got)
	}
}

// TestASCIINames replaces every other character by one of the same width.
func TestASCIINames(t *testing.T) {
	got := firewall("客户端", "mür", "s").diagram().Render(Options{ASCII: true})
	checkLines(t, got, Options{ASCII: true})
	if !strings.Contains(got, "??????") || !strings.Contains(got, "X m?r: rule block-web (drop)") {
		t.Errorf("got\n%s", got)
	}
}

// TestEveryWidth draws at every width that a terminal may have.
func TestEveryWidth(t *testing.T) {
	for _, w := range []*wire{plain(), loss(), nat(), five()} {
		for columns := 64; columns <= 200; columns++ {
			checkLines(t, w.diagram().Render(Options{Width: columns}), Options{Width: columns})
		}
	}
}

// TestCut keeps to the number of lines, and counts what it leaves out.
func TestCut(t *testing.T) {
	d := stream().diagram()
	for _, rows := range []int{1, 2, 10, 40} {
		got := d.Render(Options{MaxRows: rows})
		body := strings.Count(got, "\n") - 2
		if rows > repeatHeading {
			body -= 2
		}
		if most := max(rows, 3); body > most {
			t.Errorf("%d lines, at most %d:\n%s", body, most, got)
		}
		shown := strings.Count(got, "seq=")
		if want := fmt.Sprintf("… %d more packets in ", len(d.Arrows)-shown); !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// TestStruck draws what faults delayed and made, and what was sent before.
func TestStruck(t *testing.T) {
	w := plain()
	js := w.journeys[:2]
	js[0].Strikes = []observe.Strike{{Fault: "late", Do: netem.DelayPacket, By: time.Second}, {Fault: "old", Do: netem.DuplicatePacket, By: 2 * time.Second}}
	js[1].Sightings = js[1].Sightings[1:]
	js[1].Made = &observe.Strike{Link: [2]string{"client", "server"}, Fault: "censor", Do: netem.ResetConnection}
	got := From(js, w.nodes, w.ends).Render(Options{})
	for _, want := range []string{"delayed 1s by fault late, duplicated 2s later by fault old", "made on client – server by fault censor", "◀", "◆"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	js[1].Made = nil
	if got := From(js, w.nodes, w.ends).Render(Options{}); !strings.Contains(got, "sent before") || strings.Contains(got, "◆") {
		t.Errorf("got\n%s", got)
	}
}
