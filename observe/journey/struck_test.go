package journey_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"testbed/netem"
	"testbed/observe"
	"testbed/observe/journey"
	"testbed/topo"
)

// strike records that a fault befalls a segment on the way to its neighbour, and
// what it makes: frames toward the segment's sender.
func (r *record) strike(from, to string, s segment, f netem.Fault, answers ...segment) {
	link, side := r.link(from, to)
	b := s.frame()
	x := netem.Strike{Link: link, To: side.Other(), Time: r.tick(), Fault: f, Frame: b, Length: len(b)}
	for _, a := range answers {
		x.Answers = append(x.Answers, netem.Answer{To: side, Frame: a.frame()})
	}
	r.input.Strikes = append(r.input.Strikes, x)
}

// TestStrikes follows packets that faults befell.
func TestStrikes(t *testing.T) {
	late := netem.Fault{Name: "late", Do: netem.DelayPacket, By: 5 * time.Second}
	way := [2]string{"client", "fw"}
	for _, c := range []struct {
		name   string
		record func(r *record, s segment)
		want   []string
		// strikes, made and drop are those of the last journey.
		strikes []observe.Strike
		made    *observe.Strike
		fault   string
	}{
		{"dropped", func(r *record, s segment) {
			r.lose("client", "fw", s, netem.Faulted)
			r.input.Drops[0].Fault = "no-syn"
		}, []string{"SYN client dead on client>fw: fault"}, nil, nil, "no-syn"},
		{"delayed, and still on its way", func(r *record, s segment) {
			r.leave("client", "fw", s)
			r.strike("client", "fw", s, late)
			r.input.Until = r.now.Add(5 * time.Second)
		}, []string{"SYN client pending"}, []observe.Strike{{Link: way, Fault: "late", Do: netem.DelayPacket, By: 5 * time.Second}}, nil, ""},
		{"duplicated much later", func(r *record, s segment) {
			r.leave("client", "fw", s)
			r.strike("client", "fw", s, netem.Fault{Name: "old", Do: netem.DuplicatePacket, By: 2 * time.Second})
			r.arrive("client", "fw", s)
			r.pass("fw", "server", s.hop(1))
			r.now = r.now.Add(2 * time.Second)
			r.arrive("client", "fw", s)
			r.pass("fw", "server", s.hop(1))
		}, []string{"SYN client>fw>server>fw>server delivered"}, []observe.Strike{{Link: way, Fault: "old", Do: netem.DuplicatePacket, By: 2 * time.Second}}, nil, ""},
		{"corrupted", func(r *record, s segment) {
			r.leave("client", "fw", s)
			r.strike("client", "fw", s, netem.Fault{Name: "bit", Do: netem.CorruptPacket})
			r.arriveFlipped("client", "fw", s, len(s.frame())-1)
		}, []string{"SYN client>fw dead on client>fw: corrupted"}, []observe.Strike{{Link: way, Fault: "bit", Do: netem.CorruptPacket}}, nil, "bit"},
		{"reset", func(r *record, s segment) {
			rst := segment{src: s.dst, dst: s.src, flags: topo.RST | topo.ACK, ack: 101}
			r.leave("client", "fw", s)
			r.strike("client", "fw", s, netem.Fault{Name: "censor", Do: netem.ResetConnection}, rst)
			r.input.Drops = append(r.input.Drops, netem.Drop{Link: 0, To: 1, Time: r.tick(), Cause: netem.Faulted, Fault: "censor", Frame: s.frame(), Length: len(s.frame())})
			r.arrive("fw", "client", rst)
		}, []string{"SYN client dead on client>fw: fault, tcp-reset", "RST-ACK client delivered"}, nil, &observe.Strike{Link: way, Fault: "censor", Do: netem.ResetConnection}, ""},
		{"reset, without an answer", func(r *record, s segment) {
			r.leave("client", "fw", s)
			r.strike("client", "fw", s, netem.Fault{Name: "censor", Do: netem.ResetConnection, Answer: netem.ResetReceiver})
			r.input.Drops = append(r.input.Drops, netem.Drop{Link: 0, To: 1, Time: r.tick(), Cause: netem.Faulted, Fault: "censor", Frame: s.frame(), Length: len(s.frame())})
		}, []string{"SYN client dead on client>fw: fault"}, []observe.Strike{{Link: way, Fault: "censor", Do: netem.ResetConnection}}, nil, "censor"},
		{"sent before the record began", func(r *record, s segment) {
			r.arrive("client", "fw", s)
			r.pass("fw", "server", s.hop(1))
		}, []string{"SYN fw>server delivered"}, nil, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRecord(t, chain())
			c.record(r, r.syn())
			js := r.trace()
			if d := cmp.Diff(c.want, r.describe(js)); d != "" {
				t.Fatalf("(-want +got):\n%s", d)
			}
			last := js[len(js)-1]
			if d := cmp.Diff(c.strikes, last.Strikes); d != "" {
				t.Errorf("strikes (-want +got):\n%s", d)
			}
			if d := cmp.Diff(c.made, last.Made); d != "" {
				t.Errorf("made (-want +got):\n%s", d)
			}
			if got := last.Fate.Drop.Fault; got != c.fault {
				t.Errorf("ended by fault %q, want %q", got, c.fault)
			}
			if left := c.name != "sent before the record began"; last.Left() != left || (last.Sender == "client") != (left && c.made == nil) {
				t.Errorf("left %v, sent by %q", last.Left(), last.Sender)
			}
		})
	}
}

// An old SYN that comes before the new one is answered; a RST says that it is old, and
// the handshake begins again (RFC 9293, figure 9).
func TestOldSYNBeforeTheNewOne(t *testing.T) {
	r := newRecord(t, chain())
	s := r.syn()
	stale := s
	stale.seq = 40
	wrong := synAck(stale)
	again := s
	again.id = 2
	right := synAck(s)
	right.seq = 7000
	r.leave("client", "fw", s)
	r.arrive("client", "fw", stale)
	r.pass("fw", "server", stale.hop(1))
	r.path(wrong, "server", "fw", "client")
	r.path(segment{src: s.src, dst: s.dst, flags: topo.RST, seq: wrong.ack, id: 3}, "client", "fw", "server")
	r.path(again, "client", "fw", "server")
	r.path(right, "server", "fw", "client")
	r.path(segment{src: s.src, dst: s.dst, flags: topo.ACK, seq: 101, ack: 7001, ts: 2, id: 4}, "client", "fw", "server")
	c := journey.Connection{Client: "client", Local: s.src, Remote: s.dst}
	client, server := journey.States(r.plan, journey.Flow(r.plan, r.trace(), c), c, time.Time{})
	if d := cmp.Diff([]observe.State{observe.SynSent, observe.Established}, statesOf(client)); d != "" {
		t.Errorf("client (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]observe.State{observe.SynReceived, observe.Closed, observe.SynReceived, observe.Established}, statesOf(server)); d != "" {
		t.Errorf("server (-want +got):\n%s", d)
	}
}

func statesOf(changes []observe.StateChange) (out []observe.State) {
	for _, x := range changes {
		out = append(out, x.State)
	}
	return out
}

// An old duplicate of an earlier connection changes no state of the next one, and
// makes none of its segments a retransmission.
func TestOldDuplicate(t *testing.T) {
	r := newRecord(t, chain())
	s := r.syn()
	old := segment{src: s.src, dst: s.dst, flags: topo.ACK, seq: 5_000_000, ack: 5000, length: 5, ts: 1, id: 9}
	stale := s
	stale.seq = 4_999_999
	r.path(s, "client", "fw", "server")
	r.arrive("client", "fw", stale)
	r.pass("fw", "server", stale.hop(1))
	r.path(synAck(s), "server", "fw", "client")
	r.arrive("client", "fw", old)
	r.pass("fw", "server", old.hop(1))
	r.path(segment{src: s.src, dst: s.dst, flags: topo.ACK, seq: 101, ack: 901, ts: 2, id: 2}, "client", "fw", "server")
	r.path(segment{src: s.src, dst: s.dst, flags: topo.ACK, seq: 101, ack: 901, length: 5, ts: 2, id: 3}, "client", "fw", "server")
	c := journey.Connection{Client: "client", Local: s.src, Remote: s.dst}
	js := journey.Flow(r.plan, r.trace(), c)
	client, server := journey.States(r.plan, js, c, time.Time{})
	if d := cmp.Diff([]observe.State{observe.SynSent, observe.Established}, statesOf(client)); d != "" {
		t.Errorf("client (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]observe.State{observe.SynReceived, observe.Established}, statesOf(server)); d != "" {
		t.Errorf("server (-want +got):\n%s", d)
	}
	if at := server[1].Time; at.Before(js[len(js)-2].SentAt()) {
		t.Error("the old duplicate makes the server ESTABLISHED")
	}
	if last := js[len(js)-1]; last.Retransmission || last.Packet().TCP.Payload != 5 {
		t.Errorf("the data is a retransmission: %+v", last.Packet().TCP)
	}
}
