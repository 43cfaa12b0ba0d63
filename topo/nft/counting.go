package nft

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"testbed/topo"
)

// nthModulus is the largest that numgen takes: the count starts over only after
// so many packets.
const nthModulus = math.MaxUint32

// probabilityModulus is the resolution of a probability.
const probabilityModulus = 1_000_000_000

// defaultBurst is nft's: how many packets may come at once before a rate counts.
const defaultBurst = 5

// ctStates are the values of Match.State, as bits.
var ctStates = map[string]uint32{
	"new":         expr.CtStateBitNEW,
	"established": expr.CtStateBitESTABLISHED,
	"related":     expr.CtStateBitRELATED,
	"invalid":     expr.CtStateBitINVALID,
}

// ctState is `ct state invalid`.
func ctState(text string, bits uint32) statement {
	return ctBits(expr.CtKeySTATE, "ct state "+text, bits, expr.CmpOpNeq)
}

// ctBits compares some bits of a conntrack key with zero.
func ctBits(key expr.CtKey, text string, bits uint32, op expr.CmpOp) statement {
	return statement{text: text, exprs: []expr.Any{
		&expr.Ct{Key: key, Register: 1},
		masked(binaryutil.NativeEndian.PutUint32(bits)),
		&expr.Cmp{Op: op, Register: 1, Data: make([]byte, 4)},
	}}
}

// counting are the conditions State, Probability, Rate and Nth. They come after
// all others, and Nth last, so that it counts only the packets that meet them. A
// counter before it tells how many these were: Count.Met.
func counting(m *topo.Match) ([]statement, error) {
	var parts []statement
	if m.State != "" {
		bits, ok := ctStates[m.State]
		if !ok {
			return nil, fmt.Errorf("match state: %q is none of new, established, related, invalid", m.State)
		}
		parts = append(parts, ctState(m.State, bits))
	}
	if m.Probability != 0 {
		if !(m.Probability > 0 && m.Probability <= 1) {
			return nil, fmt.Errorf("match probability: %v is not between 0 and 1", m.Probability)
		}
		if m.Probability < 1 {
			parts = append(parts, probability(m.Probability))
		}
	}
	if m.Rate != (topo.Rate{}) {
		s, err := limit(m.Rate)
		if err != nil {
			return nil, err
		}
		parts = append(parts, s)
	}
	if m.Nth != 0 {
		if m.Nth < 1 || int64(m.Nth) > nthModulus {
			return nil, fmt.Errorf("match nth: %d is not between 1 and %d", m.Nth, int64(nthModulus))
		}
		parts = append(parts, counter(), nth(uint32(m.Nth-1)))
	}
	return parts, nil
}

// probability is `numgen random mod 1000000000 < 250000000`. The kernel draws in
// its own byte order and compares in the network's.
func probability(p float64) statement {
	below := min(uint32(math.Round(p*probabilityModulus)), probabilityModulus-1)
	return statement{
		text: fmt.Sprintf("numgen random mod %d < %d", probabilityModulus, below),
		exprs: []expr.Any{
			&expr.Numgen{Register: 1, Modulus: probabilityModulus, Type: unix.NFT_NG_RANDOM},
			&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 4, Size: 4},
			&expr.Cmp{Op: expr.CmpOpLt, Register: 1, Data: binary.BigEndian.AppendUint32(nil, below)},
		},
	}
}

// nth is `numgen inc mod 4294967295 2`: the third packet that gets here.
func nth(before uint32) statement {
	return statement{
		text: fmt.Sprintf("numgen inc mod %d %d", uint32(nthModulus), before),
		exprs: []expr.Any{
			&expr.Numgen{Register: 1, Modulus: nthModulus, Type: unix.NFT_NG_INCREMENTAL},
			equal(binaryutil.NativeEndian.PutUint32(before)),
		},
	}
}

// limit is `limit rate 10/second burst 5 packets`.
func limit(r topo.Rate) (statement, error) {
	units := map[string]expr.LimitTime{
		"second": expr.LimitTimeSecond, "minute": expr.LimitTimeMinute, "hour": expr.LimitTimeHour, "day": expr.LimitTimeDay,
	}
	unit, ok := units[r.Per]
	if !ok {
		return statement{}, fmt.Errorf("match rate: per %q is none of second, minute, hour, day", r.Per)
	}
	if r.Packets == 0 {
		return statement{}, errors.New("match rate: no packets")
	}
	burst := cmp.Or(r.Burst, defaultBurst)
	return statement{
		text:  fmt.Sprintf("limit rate %d/%s burst %d packets", r.Packets, r.Per, burst),
		exprs: []expr.Any{&expr.Limit{Type: expr.LimitTypePkts, Rate: r.Packets, Unit: unit, Burst: burst}},
	}, nil
}
