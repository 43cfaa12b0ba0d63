package qdisc

import (
	"bytes"
	"encoding/hex"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"testbed/netem"
)

// golden is written as a struct and its attributes, one a line; white space and
// what follows a # are left out.
func golden(t *testing.T, text string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// On a little-endian machine, as all that run the tests are.
func TestEncode(t *testing.T) {
	for _, c := range []struct {
		name string
		p    parameters
		want string
	}{
		{"everything but a table", parameters{
			latency: 100 * time.Millisecond, jitter: 300 * time.Second, limit: room, duplicate: 1, reorder: 2,
			bursts: chain{0x10, 0x20, 0x30, 0x40}, rate: math.MaxUint64, seed: 0x1122334455667788,
		}, `
			a000 0200                                              # TCA_OPTIONS
			00000000 00000100 00000000 01000000 01000000 00000000  # latency, limit, loss, gap, duplicate, jitter
			1000 0100 00000000 00000000 00000000                   # TCA_NETEM_CORR
			0c00 0300 02000000 00000000                            # TCA_NETEM_REORDER
			0c00 0400 00000000 00000000                            # TCA_NETEM_CORRUPT
			1400 0600 ffffffff 00000000 00000000 00000000          # TCA_NETEM_RATE
			0c00 0800 ffffffffffffffff                             # TCA_NETEM_RATE64
			0c00 0a00 00e1f50500000000                             # TCA_NETEM_LATENCY64
			0c00 0b00 00b864d945000000                             # TCA_NETEM_JITTER64
			1800 0500 1400 0200 10000000 20000000 30000000 40000000 # TCA_NETEM_LOSS, NETEM_LOSS_GE
			0c00 0e00 8877665544332211                             # TCA_NETEM_PRNG_SEED
		`},
		{"a rate of 32 bits", parameters{limit: 11, loss: 7, rate: 1e6}, `
			7000 0200
			00000000 0b000000 07000000 00000000 00000000 00000000
			1000 0100 00000000 00000000 00000000
			0c00 0300 00000000 00000000
			0c00 0400 00000000 00000000
			1400 0600 40420f00 00000000 00000000 00000000
			0c00 0a00 0000000000000000
			0c00 0b00 0000000000000000
		`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, want := c.p.encode().Serialize(), golden(t, c.want); !bytes.Equal(got, want) {
				t.Errorf("encode() =\n%x, want\n%x", got, want)
			}
		})
	}
}

func TestEncodeTable(t *testing.T) {
	table := netem.Normal.Table()
	p := parameters{spread: &table}
	b := attribute(p.encode().Serialize()[4+24:], 2) // TCA_NETEM_DELAY_DIST
	if len(b) != 2*netem.DistSize || int16(uint16(b[0])|uint16(b[1])<<8) != table[0] {
		t.Errorf("the table has %d bytes and begins with %x", len(b), b[:min(len(b), 2)])
	}
}

// What was encoded comes back from the kernel in the same form.
func TestDecode(t *testing.T) {
	for _, p := range []parameters{
		{},
		{latency: 300 * time.Hour, jitter: time.Microsecond, limit: 5, loss: 6, duplicate: 7, reorder: 8, rate: 9, seed: 10},
		{limit: 1, bursts: chain{1, 2, 3, 4}, rate: math.MaxUint64},
	} {
		got, err := decode(p.encode().Serialize()[4:])
		if err != nil || got != p {
			t.Errorf("decode() = %+v, %v, want %+v", got, err, p)
		}
	}
}

// Linux before 4.15 knows no times of 64 bits, and tells them in ticks of 64 ns.
func TestDecodeTicks(t *testing.T) {
	got, err := decode(pack(1000, 1, 0, 0, 0, 10))
	if err != nil || got.latency != 64*time.Microsecond || got.jitter != 640 {
		t.Errorf("decode() = %+v, %v", got, err)
	}
}

func TestDifferNamesTheField(t *testing.T) {
	want := parameters{latency: time.Second, limit: 5, rate: 6, seed: 7}
	same := want
	same.seed = 0 // of an older kernel
	if err := want.differ(same); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*parameters){
		"delay 64ns of 1s":     func(p *parameters) { p.latency = 64 },
		"jitter":               func(p *parameters) { p.jitter = 1 },
		"limit 1000 of 5":      func(p *parameters) { p.limit = 1000 },
		"loss":                 func(p *parameters) { p.loss = 1 },
		"bursts {1 0 0 0} of":  func(p *parameters) { p.bursts.toBad = 1 },
		"duplicate":            func(p *parameters) { p.duplicate = 1 },
		"reorder":              func(p *parameters) { p.reorder = 1 },
		"rate 4294967295 of 6": func(p *parameters) { p.rate = math.MaxUint32 },
		"seed 0x8 of 0x7":      func(p *parameters) { p.seed = 8 },
	} {
		got := want
		change(&got)
		if err := want.differ(got); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("differ() = %v, want %s", err, name)
		}
	}
}

func TestActions(t *testing.T) {
	for _, c := range []struct {
		name string
		a    action
		want string
	}{
		{"police", policing(3, 1014), `
			5800 0100
			0b00 0100 706f6c69636500 00      # TCA_ACT_KIND
			4800 0280                        # TCA_ACT_OPTIONS, nested
			3c00 0100                        # TCA_POLICE_TBF
			03000000 02000000 00000000 00000000 f6030000 # index, action, limit, burst, mtu
			00000000 00000000 00000000  00000000 00000000 00000000 # no rates
			00000000 00000000 00000000
			0800 0500 03000000               # TCA_POLICE_RESULT
		`},
		{"mirred", redirection(3, 4), `
			3400 0100
			0b00 0100 6d697272656400 00
			2400 0280
			2000 0200                        # TCA_MIRRED_PARMS
			03000000 00000000 04000000 00000000 00000000 # index, capab, action, refcnt, bindcnt
			01000000 04000000                # eaction, ifindex
		`},
	} {
		if got, want := c.a.encode(1).Serialize(), golden(t, c.want); !bytes.Equal(got, want) {
			t.Errorf("%s:\n%x, want\n%x", c.name, got, want)
		}
	}
}

func TestAttributes(t *testing.T) {
	b := golden(t, "0500 0100 aa 000000  0800 0280 01020304  0400 0300")
	var kinds []uint16
	for kind := range attributes(b) {
		kinds = append(kinds, kind)
	}
	if !slices.Equal(kinds, []uint16{1, 2, 3}) {
		t.Errorf("types are %v", kinds)
	}
	if v := attribute(b, 2); !bytes.Equal(v, []byte{1, 2, 3, 4}) {
		t.Errorf("attribute 2 is %x", v)
	}
	if v := attribute(b[:10], 2); v != nil {
		t.Errorf("a cut attribute is %x", v)
	}
}

func FuzzDecode(f *testing.F) {
	p := parameters{bursts: chain{toBad: 1}, rate: math.MaxUint64, seed: 1, reorder: 1}
	f.Add(p.encode().Serialize()[4:])
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = decode(b)
		_, _ = decodeQueue(b)
		_, _ = decodePort(b)
	})
}
