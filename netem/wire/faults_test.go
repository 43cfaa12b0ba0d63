package wire

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"testbed/netem"
)

// data is a TCP segment from port 40000 to port 80 in an Ethernet frame, padded.
func data(flags byte, payload int) []byte {
	ip, segment := ipv4(protoTCP), tcp()
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+len(segment)+payload))
	binary.BigEndian.PutUint16(segment, 40000)
	binary.BigEndian.PutUint16(segment[2:], 80)
	segment[tcpFlags] = flags
	return join(vnet(0, gsoNone, 0, 0), ethernet(etherIPv4), ip, segment, make([]byte, payload), make([]byte, 6))
}

func exactly(n int) netem.Range { return netem.Range{Limited: true, Min: n, Max: n} }

func TestFaultsPick(t *testing.T) {
	const second = int64(time.Second)
	segment := data(tcpACK|tcpPSH, 5)
	datagram := join(vnet(0, gsoNone, 0, 0), ethernet(etherIPv6), ipv6(protoUDP), []byte{0, 53, 1, 0, 0, 12, 0, 0}, make([]byte, 4))
	fragment := data(tcpACK, 5)
	fragment[vnetLen+etherLen+7] = 1
	arp := join(vnet(0, gsoNone, 0, 0), ethernet(etherARP), make([]byte, 28))
	for _, c := range []struct {
		name  string
		pick  netem.Pick
		frame []byte
		// at is when it comes in, since the faults began.
		at   int64
		want bool
	}{
		{"everything", netem.Pick{}, segment, 0, true},
		{"but ARP", netem.Pick{}, arp, 0, false},
		{"the protocol", netem.Pick{Proto: "tcp"}, segment, 0, true},
		{"another protocol", netem.Pick{Proto: "udp"}, segment, 0, false},
		{"flags, without PSH", netem.Pick{Flags: tcpACK}, segment, 0, true},
		{"flags and one more", netem.Pick{Flags: tcpACK}, data(tcpACK|tcpFIN, 0), 0, false},
		{"flags of a datagram", netem.Pick{Flags: tcpACK}, datagram, 0, false},
		{"ports", netem.Pick{Sport: exactly(40000), Dport: exactly(80)}, segment, 0, true},
		{"another port", netem.Pick{Dport: exactly(81)}, segment, 0, false},
		{"ports of a datagram", netem.Pick{Sport: exactly(53), Dport: exactly(256), Payload: exactly(4)}, datagram, 0, true},
		{"ports of a fragment", netem.Pick{Dport: exactly(80)}, fragment, 0, false},
		{"payload without padding", netem.Pick{Payload: exactly(5)}, segment, 0, true},
		{"no payload", netem.Pick{Payload: exactly(0)}, segment, 0, false},
		{"no payload, as it is", netem.Pick{Payload: exactly(0)}, data(tcpACK, 0), 0, true},
		{"too early", netem.Pick{After: time.Second}, segment, second - 1, false},
		{"early enough", netem.Pick{After: time.Second, Until: 2 * time.Second}, segment, second, true},
		{"too late", netem.Pick{Until: 2 * time.Second}, segment, 2 * second, false},
		{"not the first one", netem.Pick{Nth: exactly(2)}, segment, 0, false},
	} {
		var f faults
		f.begin(&netem.Faults{{Name: "x", Pick: c.pick, Do: netem.DropPacket}}, 1000)
		if got := f.strike(c.frame, inspect(c.frame), 1000+c.at) != nil; got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// Each fault counts what meets its conditions, also what befalls another first.
func TestFaultsCountForThemselves(t *testing.T) {
	list := &netem.Faults{
		{Name: "first SYN", Pick: netem.Pick{Flags: tcpSYN, Nth: exactly(1)}},
		{Name: "third SYN", Pick: netem.Pick{Flags: tcpSYN, Nth: exactly(3)}},
		{Name: "fourth of all", Pick: netem.Pick{Nth: exactly(4)}},
		{Name: "fifth of all", Pick: netem.Pick{Nth: exactly(5)}},
	}
	var f faults
	f.begin(list, 0)
	for i, c := range []struct {
		flags byte
		want  string
	}{{tcpSYN, "first SYN"}, {tcpACK, ""}, {tcpSYN, ""}, {tcpSYN, "third SYN"}, {tcpACK, "fifth of all"}, {tcpSYN, ""}} {
		got, frame := "", data(c.flags, 0)
		if x := f.strike(frame, inspect(frame), 0); x != nil {
			got = x.Name
		}
		if got != c.want {
			t.Errorf("packet %d is struck by %q, want %q", i+1, got, c.want)
		}
		f.begin(list, 0) // the same ones: nothing begins
	}
	f.begin(&netem.Faults{(*list)[0]}, 0)
	if frame := data(tcpSYN, 0); f.strike(frame, inspect(frame), 0) == nil {
		t.Error("other faults do not begin to count")
	}
	f.begin(f.list, 1)
	if frame := data(tcpSYN, 0); f.strike(frame, inspect(frame), 1) == nil {
		t.Error("the same faults do not begin again")
	}
}

// A RST is what RFC 9293, section 3.5.2 says.
func TestResetFrame(t *testing.T) {
	segment := func(flags byte, payload int) []byte {
		b := data(flags, payload)
		copy(b[vnetLen:], []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2})
		copy(b[vnetLen+etherLen+12:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
		binary.BigEndian.PutUint32(b[vnetLen+etherLen+20+4:], 1000)
		binary.BigEndian.PutUint32(b[vnetLen+etherLen+20+8:], 2000)
		return b
	}
	for _, c := range []struct {
		name     string
		frame    []byte
		inPlace  bool
		flags    byte
		seq, ack uint32
	}{
		{"to who sent a SYN", segment(tcpSYN, 0), false, tcpRST | tcpACK, 0, 1001},
		{"to who sent a SYN with data", segment(tcpSYN, 5), false, tcpRST | tcpACK, 0, 1006},
		{"to who sent data", segment(tcpACK|tcpPSH, 5), false, tcpRST, 2000, 0},
		{"in place of data", segment(tcpACK|tcpPSH, 5), true, tcpRST | tcpACK, 1000, 2000},
		{"in place of a SYN-ACK", segment(tcpSYN|tcpACK, 0), true, tcpRST | tcpACK, 1000, 2000},
	} {
		p := inspect(c.frame)
		rst := resetFrame(c.frame[vnetLen:], p, headerOf(c.frame[vnetLen:], p), c.inPlace)[vnetLen:]
		l3, l4 := rst[etherLen:], rst[etherLen+20:]
		if fold(add(0, l3[:20])) != 0xffff {
			t.Errorf("%s: the checksum of the IP header is wrong", c.name)
		}
		q := packet{kind: etherIPv4}
		if fold(uint64(q.pseudo(l3, protoTCP, 20))+add(0, l4)) != 0xffff {
			t.Errorf("%s: the checksum of TCP is wrong", c.name)
		}
		be := binary.BigEndian
		if l4[tcpFlags] != c.flags || be.Uint32(l4[tcpSequence:]) != c.seq || be.Uint32(l4[tcpAckNumber:]) != c.ack {
			t.Errorf("%s: flags %x seq %d ack %d, want %x, %d, %d", c.name, l4[tcpFlags], be.Uint32(l4[tcpSequence:]), be.Uint32(l4[tcpAckNumber:]), c.flags, c.seq, c.ack)
		}
		from, port := l3[15], be.Uint16(l4)
		if back := !c.inPlace; back != (from == 2) || back != (port == 80) || back != (rst[5] == 2) {
			t.Errorf("%s: from address %d and port %d to MAC %x", c.name, from, port, rst[:6])
		}
	}
}

func TestHeldFramesComeInOrderOfTheirTimes(t *testing.T) {
	e := &engine{limit: DefaultLimit}
	d := newDirection(0, netem.Link{}, 1, -1)
	for i, release := range []int64{30, 10, 20, 10} {
		e.hold(passage{to: d, by: &netem.Impairment{}}, append(data(tcpACK, 0), byte(i)), release)
	}
	if d.idle() || d.due != 10 || len(e.agenda) != 1 {
		t.Errorf("idle %v, due at %d, %d in the agenda", d.idle(), d.due, len(e.agenda))
	}
	e.unhold(d, 25)
	if d.n != 3 || len(d.held) != 1 {
		t.Fatalf("%d on their way and %d held, want 3 and 1", d.n, len(d.held))
	}
	for _, want := range []byte{1, 3, 2} {
		f := d.leave().frame
		if got := f[len(f)-1]; got != want {
			t.Errorf("frame %d leaves, want %d", got, want)
		}
	}
	if d.idle() || d.due != 30 {
		t.Errorf("idle %v, due at %d, want 30", d.idle(), d.due)
	}
	d.takeHeld()
	if !d.idle() || d.bytes != 0 {
		t.Errorf("idle %v with %d bytes", d.idle(), d.bytes)
	}
}

// A frame that chance duplicates is duplicated when a fault holds it back, too, and
// one of the two is corrupted.
func TestAHeldFrameIsSentTwice(t *testing.T) {
	e := &engine{limit: DefaultLimit}
	d := newDirection(0, netem.Link{}, 1, -1)
	x := &netem.Fault{Name: "late", Do: netem.DelayPacket, By: 10}
	w := passage{to: d, by: &netem.Impairment{}, fate: fate{twice: true, flipped: true, place: last}}
	frame := data(tcpACK, 0)
	if e.strike(x, &w, arrival{transit: transit{frame: frame, slot: -1}, whole: true}, inspect(frame)) {
		t.Error("something is left to send at once")
	}
	e.unhold(d, 9)
	if d.n != 0 || len(d.held) != 2 {
		t.Fatalf("%d on their way and %d held, want none and 2", d.n, len(d.held))
	}
	e.unhold(d, 10)
	if d.n != 2 || len(d.held) != 0 {
		t.Fatalf("%d on their way and %d held, want 2 and none", d.n, len(d.held))
	}
	if bytes.Equal(d.leave().frame, frame) || !bytes.Equal(d.leave().frame, frame) {
		t.Error("not just the first one is corrupted")
	}
	if c := d.tally.read(); c.Duplicated != 1 || c.Corrupted != 1 || d.bytes != 0 {
		t.Errorf("%+v, %d bytes", c, d.bytes)
	}
}

// FuzzReset reads whatever comes in, and answers what says that it is TCP.
func FuzzReset(f *testing.F) {
	f.Add(data(tcpSYN, 0), true)
	f.Add(data(tcpACK|tcpPSH, 5), false)
	f.Add(join(vnet(0, 0, 0, 0), ethernet(etherQinQ, etherIPv6), ipv6(0), []byte{protoTCP, 0, 0, 0, 0, 0, 0, 0}, tcp()), true)
	f.Add(join(vnet(0, 0, 0, 0), ethernet(etherIPv4), ipv4(protoUDP), make([]byte, 8)), false)
	f.Fuzz(func(t *testing.T, frame []byte, inPlace bool) {
		p := inspect(frame)
		if p.upkeep {
			return
		}
		h := headerOf(frame[vnetLen:], p)
		if h.payload < 0 || h.payload > len(frame) {
			t.Errorf("%d bytes of payload in a frame of %d", h.payload, len(frame))
		}
		if h.proto != protoTCP || !h.ported {
			return
		}
		rst := resetFrame(frame[vnetLen:], p, h, inPlace)
		q := inspect(rst)
		if got := headerOf(rst[vnetLen:], q); !got.ported || got.flags&tcpRST == 0 || got.payload != 0 || q.kind != p.kind {
			t.Errorf("the answer is %+v in %+v", got, q)
		}
	})
}
