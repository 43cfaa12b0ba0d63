package journey_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket/layers"

	"testbed/netem"
	"testbed/observe"
	"testbed/topo"
)

// The places of bits in a frame of IPv4 and TCP without IP options, in bytes.
const (
	inMAC, inSourceMAC, inType     = 5, 11, 12
	inVersion, inTTL               = 14, 22
	inSource, inDestination        = 26, 30
	inSourcePort, inPort           = 34, 36
	inSeq, inOffset, inFlags       = 38, 46, 47
	inChecksum, inStamp, inPayload = 50, 58, 70
)

// arriveFlipped records that a segment is delivered with a bit of a byte flipped.
func (r *record) arriveFlipped(from, to string, s segment, at int) {
	r.arrive(from, to, s)
	r.input.Frames[len(r.input.Frames)-1].Data[at] ^= 4
}

// resend sends the frame on that was last delivered to a router, as it came but
// for its hop limit and with the IP header's checksum mended.
func (r *record) resend(from, to string, flip int, s segment) {
	r.leave(from, to, s.hop(1))
	f := &r.input.Frames[len(r.input.Frames)-1]
	f.Data[flip] ^= 4
	link, side := r.link(to, from)
	r.input.Frames = append(r.input.Frames, observe.Frame{Time: r.tick(), Link: link, Side: side, Data: f.Data, Length: f.Length})
}

// TestCorrupted flips a bit in each field that a checksum covers, or that makes
// the frame one for nobody.
func TestCorrupted(t *testing.T) {
	for name, at := range map[string]int{
		"receiver's MAC": inMAC, "EtherType": inType, "version": inVersion, "TTL": inTTL, "source": inSource, "destination": inDestination,
		"source port": inSourcePort, "port": inPort, "number": inSeq, "data offset": inOffset, "flags": inFlags,
		"checksum": inChecksum, "time stamp": inStamp, "data": inPayload,
	} {
		r := newRecord(t, chain())
		s := r.syn()
		s.length = 20
		r.leave("client", "fw", s)
		r.arriveFlipped("client", "fw", s, at)
		again := s
		again.ts, again.id = 1000, 2
		r.path(again, "client", "fw", "server")
		got := r.describe(r.trace())
		want := []string{"SYN client>fw dead on client>fw: corrupted", "SYN again client>fw>server delivered"}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestCrossings(t *testing.T) {
	for _, c := range []struct {
		name   string
		net    topo.Topology
		record func(r *record)
		want   []string
	}{
		{"a router passes on what only the end discards", chain(), func(r *record) {
			s := r.syn()
			r.leave("client", "fw", s)
			r.arriveFlipped("client", "fw", s, inPort)
			r.resend("fw", "server", inPort, s)
		}, []string{"SYN client>fw>server dead on client>fw: corrupted"}},
		{"lost after it was corrupted", chain(), func(r *record) {
			s := r.syn()
			r.leave("client", "fw", s)
			r.arriveFlipped("client", "fw", s, inStamp)
			r.lose("fw", "server", s.hop(1), netem.Overflow)
			for _, b := range [][]byte{r.input.Frames[2].Data, r.input.Drops[0].Frame} {
				b[inStamp] ^= 4
			}
		}, []string{"SYN client>fw dead on fw>server: queue-full"}},
		{"lost on the link that corrupted it", chain(), func(r *record) {
			r.lose("client", "fw", r.syn(), netem.Overflow)
			r.input.Drops[0].Frame[inSource] ^= 1
			r.input.Drops[0].Frame = r.input.Drops[0].Frame[:60]
		}, []string{"SYN client dead on client>fw: queue-full"}},
		{"a rule that matched it keeps its count to it", chain(drop("no-web", web)), func(r *record) {
			s := r.syn()
			r.leave("client", "fw", s)
			r.arriveFlipped("client", "fw", s, inStamp)
			s.id = 2
			r.path(s, "client", "fw")
			r.count("fw", "no-web", 2)
		}, []string{"SYN client>fw dead on client>fw: corrupted", "SYN again client>fw dead in fw: rule no-web"}},
		{"a copy that is whole", chain(), func(r *record) {
			s := r.syn()
			r.leave("client", "fw", s)
			r.arriveFlipped("client", "fw", s, inTTL)
			r.arrive("client", "fw", s)
			r.path(s.hop(1), "fw", "server")
		}, []string{"SYN client>fw>server delivered"}},
		{"a copy that is corrupted", chain(), func(r *record) {
			s := r.syn()
			r.pass("client", "fw", s)
			r.arriveFlipped("client", "fw", s, inVersion)
			r.path(s.hop(1), "fw", "server")
		}, []string{"SYN client>fw>server delivered"}},
		{"a sender's MAC matters to nobody", chain(), func(r *record) {
			s := r.syn()
			r.leave("client", "fw", s)
			r.arriveFlipped("client", "fw", s, inSourceMAC)
			r.path(s.hop(1), "fw", "server")
		}, []string{"SYN client>fw>server delivered"}},
		{"another packet of the same length", chain(), func(r *record) {
			s := r.syn()
			r.leave("client", "fw", s)
			other := s
			other.id, other.seq = 9, 999
			r.leave("client", "fw", other)
			r.arriveFlipped("client", "fw", other, inPort)
		}, []string{"SYN client dead on client>fw: unknown", "SYN client>fw dead on client>fw: corrupted"}},
		{"a frame of which nothing more was recorded", chain(), func(r *record) {
			s := r.syn()
			s.length = 500
			r.leave("client", "fw", s)
			r.arriveFlipped("client", "fw", s, inPayload)
			r.resend("fw", "server", inPayload, s)
			for i := range r.input.Frames {
				r.input.Frames[i].Data = r.input.Frames[i].Data[:100]
			}
		}, []string{"SYN client>fw>server dead on client>fw: corrupted"}},
		{"like packets that overtake each other keep their contents", chain(), func(r *record) {
			one := segment{proto: layers.IPProtocolUDP, src: r.addr("server", "client", 40000), dst: r.addr("client", "server", 53), length: 30}
			r.leave("client", "fw", one)
			r.leave("client", "fw", one)
			first, second := r.input.Frames[0].Data, r.input.Frames[1].Data
			second[60], second[61] = 7, 7
			r.arrive("client", "fw", one)
			r.arrive("client", "fw", one)
			copy(r.input.Frames[2].Data, second)
			copy(r.input.Frames[3].Data, first)
		}, []string{"UDP client>fw dead in fw: unknown", "UDP client>fw dead in fw: unknown"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRecord(t, c.net)
			c.record(r)
			if d := cmp.Diff(c.want, r.describe(r.trace())); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// TestOvertaking holds that each of two alike packets is found again by its
// contents, not by its place in the queue.
func TestOvertaking(t *testing.T) {
	r := newRecord(t, chain())
	one := segment{proto: layers.IPProtocolUDP, src: r.addr("server", "client", 40000), dst: r.addr("client", "server", 53), length: 30}
	r.leave("client", "fw", one)
	r.leave("client", "fw", one)
	r.input.Frames[1].Data[60] = 7
	r.arrive("client", "fw", one)
	r.input.Frames[2].Data[60] = 7
	r.arrive("client", "fw", one)
	js := r.trace()
	if len(js) != 2 || !js[1].Last().Time.Before(js[0].Last().Time) {
		t.Errorf("got %v, want the second to arrive first", r.describe(js))
	}
}

// TestCorruptedSightings holds where a journey says that its packet is corrupted,
// and that a packet that is none any more is told of by what it was.
func TestCorruptedSightings(t *testing.T) {
	for _, c := range []struct {
		at   int
		want []bool
	}{{inPort, []bool{false, true, true, true}}, {inVersion, []bool{false, true}}} {
		r := newRecord(t, chain())
		s := r.syn()
		r.leave("client", "fw", s)
		r.arriveFlipped("client", "fw", s, c.at)
		if c.at == inPort {
			r.resend("fw", "server", c.at, s)
		}
		js := r.trace()
		var got []bool
		for _, s := range js[0].Sightings {
			got = append(got, s.Corrupted)
			if s.Packet == nil || s.Packet.TCP == nil {
				t.Errorf("byte %d: a sighting without its packet", c.at)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("byte %d: %v, want %v", c.at, got, c.want)
		}
	}
}

// TestIPv6WithoutChecksum flips bits of an IPv6 header that nothing covers.
func TestIPv6WithoutChecksum(t *testing.T) {
	r := newRecord(t, chain())
	client, server := r.plan.Topology.NodeIndex("client"), r.plan.Topology.NodeIndex("server")
	s := r.syn()
	s.src = netip.AddrPortFrom(r.plan.Resolve(server, client, false), 40000)
	s.dst = netip.AddrPortFrom(r.plan.Resolve(client, server, false), 80)
	const inLabel, inDestination = 17, 38
	r.leave("client", "fw", s)
	r.arriveFlipped("client", "fw", s, inLabel)
	r.path(s.hop(1), "fw", "server")
	s.seq += 100
	r.leave("client", "fw", s)
	r.arriveFlipped("client", "fw", s, inDestination)
	want := []string{"SYN client>fw>server delivered", "SYN client>fw dead on client>fw: corrupted"}
	if d := cmp.Diff(want, r.describe(r.trace())); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestBursts tells a loss in a burst from others.
func TestBursts(t *testing.T) {
	for _, c := range []struct {
		bursts netem.GilbertElliott
		cause  netem.Cause
		want   observe.Cause
	}{
		{netem.GilbertElliott{}, netem.Lost, "loss"},
		{netem.GilbertElliott{ToBad: 0.1, ToGood: 0.2, LossBad: 1}, netem.Lost, observe.Burst},
		{netem.GilbertElliott{ToBad: 0.1, ToGood: 0.2, LossBad: 1}, netem.TooBig, "mtu"},
		{netem.GilbertElliott{ToBad: 0.1, ToGood: 0.2, LossBad: 1, LossGood: 0.1}, netem.Lost, "loss"},
	} {
		n := chain()
		n.Links[0].Toward[1].Bursts = c.bursts
		r := newRecord(t, n)
		r.lose("client", "fw", r.syn(), c.cause)
		if got := r.trace()[0].Fate.Drop; got != (observe.Drop{Link: [2]string{"client", "fw"}, Cause: c.want}) {
			t.Errorf("%+v: %+v, want %s", c.bursts, got, c.want)
		}
	}
}

// TestWaitingForItsTurn holds that a packet is on its way for as long as the link
// may need to send those before it.
func TestWaitingForItsTurn(t *testing.T) {
	for _, c := range []struct {
		rate uint64
		wait time.Duration
		want string
	}{
		{0, 1500 * time.Millisecond, "SYN client dead on client>fw: unknown"},
		{8000, 3500 * time.Millisecond, "SYN client pending"},
		{8000, 4500 * time.Millisecond, "SYN client dead on client>fw: unknown"},
	} {
		n := chain()
		n.Links[0].Toward[1].Rate = c.rate
		r := newRecord(t, n)
		s := r.syn()
		s.length = 1000
		var third observe.Frame
		for i := range uint32(3) {
			s.seq += i
			r.pass("client", "fw", s)
			third = r.input.Frames[len(r.input.Frames)-1]
		}
		r.input.Frames = r.input.Frames[:5]
		r.input.Until = third.Time.Add(c.wait)
		if got := r.describe(r.trace()); got[2] != c.want {
			t.Errorf("at %d bit/s after %v: %s, want %s", c.rate, c.wait, got[2], c.want)
		}
	}
}
