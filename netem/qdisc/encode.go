package qdisc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/vishvananda/netlink/nl"

	"testbed/netem"
)

// Attributes of sch_netem that package nl has no names for
// (include/uapi/linux/pkt_sched.h).
const (
	netemLatency64 = 10 // TCA_NETEM_LATENCY64
	netemJitter64  = 11 // TCA_NETEM_JITTER64
	netemSeed      = 14 // TCA_NETEM_PRNG_SEED
	lossGE         = 2  // NETEM_LOSS_GE
)

// encode makes the TCA_OPTIONS of a netem. It names every parameter, so that none
// is left over from before, but for a seed or table that is not set. Times are in
// the attributes of 64 bits alone, which override struct tc_netem_qopt: its ticks
// of 64 ns end at 274 s.
func (p *parameters) encode() *nl.RtAttr {
	var gap uint32
	if p.reorder > 0 {
		gap = 1 // each frame may be the one that overtakes
	}
	o := nl.NewRtAttr(nl.TCA_OPTIONS, pack(0, p.limit, p.loss, gap, p.duplicate, 0))
	o.AddRtAttr(nl.TCA_NETEM_CORR, pack(0, 0, 0))
	o.AddRtAttr(nl.TCA_NETEM_REORDER, pack(p.reorder, 0))
	o.AddRtAttr(nl.TCA_NETEM_CORRUPT, pack(0, 0))
	o.AddRtAttr(nl.TCA_NETEM_RATE, pack(uint32(min(p.rate, math.MaxUint32)), 0, 0, 0))
	if p.rate > math.MaxUint32 {
		o.AddRtAttr(nl.TCA_NETEM_RATE64, nl.Uint64Attr(p.rate))
	}
	o.AddRtAttr(netemLatency64, nl.Uint64Attr(uint64(p.latency)))
	o.AddRtAttr(netemJitter64, nl.Uint64Attr(uint64(p.jitter)))
	if b := p.bursts; b != (chain{}) {
		o.AddRtAttr(nl.TCA_NETEM_LOSS, nil).AddRtAttr(lossGE, pack(b.toBad, b.toGood, b.keepBad, b.loseGood))
	}
	if p.seed != 0 {
		o.AddRtAttr(netemSeed, nl.Uint64Attr(p.seed))
	}
	if p.spread != nil {
		o.AddRtAttr(nl.TCA_NETEM_DELAY_DIST, table(p.spread))
	}
	return o
}

func table(t *[netem.DistSize]int16) []byte {
	b := make([]byte, 0, 2*len(t))
	for _, v := range t {
		b = binary.NativeEndian.AppendUint16(b, uint16(v))
	}
	return b
}

// decode reads the options that the kernel tells of a netem. It tells no table,
// and a seed only since Linux 6.6.
func decode(b []byte) (p parameters, err error) {
	var latency, jitter, gap, rate uint32
	if err := words(b, "netem", &latency, &p.limit, &p.loss, &gap, &p.duplicate, &jitter); err != nil {
		return p, err
	}
	// The kernel shortens what does not fit its own ticks of 64 ns.
	p.latency, p.jitter = ticks(latency), ticks(jitter)
	for kind, v := range attributes(b[24:]) {
		switch {
		case kind == nl.TCA_NETEM_REORDER && gap > 0:
			err = words(v, "reorder", &p.reorder)
		case kind == nl.TCA_NETEM_RATE:
			err = words(v, "rate", &rate)
			p.rate = max(p.rate, uint64(rate))
		case kind == nl.TCA_NETEM_LOSS:
			err = words(attribute(v, lossGE), "bursts", &p.bursts.toBad, &p.bursts.toGood, &p.bursts.keepBad, &p.bursts.loseGood)
		case len(v) < 8:
		case kind == nl.TCA_NETEM_RATE64:
			p.rate = max(p.rate, binary.NativeEndian.Uint64(v))
		case kind == netemLatency64:
			p.latency = time.Duration(binary.NativeEndian.Uint64(v))
		case kind == netemJitter64:
			p.jitter = time.Duration(binary.NativeEndian.Uint64(v))
		case kind == netemSeed:
			p.seed = binary.NativeEndian.Uint64(v)
		}
		if err != nil {
			return p, err
		}
	}
	return p, nil
}

// ticks is a time in the kernel's packet scheduler (PSCHED_SHIFT in
// include/net/pkt_sched.h).
func ticks(n uint32) time.Duration { return time.Duration(n) << 6 }

// differ compares what the kernel tells with what was asked for, field by field.
func (p *parameters) differ(got parameters) error {
	var errs []error
	for _, f := range []struct {
		name      string
		want, got any
	}{
		{"delay", p.latency, got.latency}, {"jitter", p.jitter, got.jitter}, {"limit", p.limit, got.limit},
		{"loss", p.loss, got.loss}, {"bursts", p.bursts, got.bursts}, {"duplicate", p.duplicate, got.duplicate},
		{"reorder", p.reorder, got.reorder}, {"rate", p.rate, got.rate},
	} {
		if f.want != f.got {
			errs = append(errs, fmt.Errorf("the kernel made %s %v of %v", f.name, f.got, f.want))
		}
	}
	if p.seed != 0 && got.seed != 0 && got.seed != p.seed {
		errs = append(errs, fmt.Errorf("the kernel made seed %#x of %#x", got.seed, p.seed))
	}
	return errors.Join(errs...)
}
