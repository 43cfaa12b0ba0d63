package virtual_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"regexp"
	"strconv"
	"testing"
	"time"

	"testbed/scenarios/verdict"
)

// mostDrift is by how much the times of one run may be beside those of the others.
const mostDrift = 50 * time.Nanosecond

// inNanoseconds is a line of a report that is a time.
var inNanoseconds = regexp.MustCompile(`^ *"([a-z_]+_ns)": ([0-9]+),?$`)

// drift is by how much the times in two pieces of evidence differ at most. It is false
// where anything else differs.
func drift(a, b []byte) (most time.Duration, ok bool) {
	x, y := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	if len(x) != len(y) {
		return 0, false
	}
	for i := range x {
		if bytes.Equal(x[i], y[i]) {
			continue
		}
		d, ok := drifted(x[i], y[i])
		if !ok {
			return 0, false
		}
		most = max(most, d)
	}
	return most, true
}

// drifted is the drift of a line: a time, or a capture.
func drifted(a, b []byte) (time.Duration, bool) {
	x, y := inNanoseconds.FindSubmatch(a), inNanoseconds.FindSubmatch(b)
	if x != nil && y != nil && bytes.Equal(x[1], y[1]) {
		m, errM := strconv.ParseInt(string(x[2]), 10, 64)
		n, errN := strconv.ParseInt(string(y[2]), 10, 64)
		return time.Duration(m - n).Abs(), errM == nil && errN == nil
	}
	var c, d verdict.Capture
	if json.Unmarshal(a, &c) != nil || json.Unmarshal(b, &d) != nil || c.Forgotten != d.Forgotten || c.Lost != d.Lost {
		return 0, false
	}
	return captures(c.File, d.File)
}

// captures is the drift of the packets in two files that this program wrote: pcapng's
// Enhanced Packet Blocks, with their time in nanoseconds.
func captures(a, b []byte) (most time.Duration, ok bool) {
	const enhancedPacket, timeAt, dataAt = 6, 12, 20
	stamp := func(block []byte) uint64 {
		return uint64(binary.LittleEndian.Uint32(block[timeAt:]))<<32 | uint64(binary.LittleEndian.Uint32(block[timeAt+4:]))
	}
	if len(a) != len(b) {
		return 0, false
	}
	for len(a) >= dataAt {
		n := int(binary.LittleEndian.Uint32(a[4:]))
		if n < timeAt || n > len(a) {
			return 0, false
		}
		x, y := a[:n], b[:n]
		if !bytes.Equal(x, y) {
			packets := n > dataAt && binary.LittleEndian.Uint32(x) == enhancedPacket
			if !packets || !bytes.Equal(x[:timeAt], y[:timeAt]) || !bytes.Equal(x[dataAt:], y[dataAt:]) {
				return 0, false
			}
			most = max(most, time.Duration(stamp(x)-stamp(y)).Abs())
		}
		a, b = a[n:], b[n:]
	}
	return most, bytes.Equal(a, b)
}

func TestDriftIsOfTimesAlone(t *testing.T) {
	packet := func(at byte, data string) []byte {
		b := append([]byte{6, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, at, 0, 0, 0}, data...)
		b[4] = byte(len(b))
		return b
	}
	capture := func(file []byte) string {
		b, err := json.Marshal(verdict.Capture{File: file})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, c := range []struct {
		a, b string
		most time.Duration
		ok   bool
	}{
		{"x\n  \"at_ns\": 100,", "x\n  \"at_ns\": 103,", 3, true},
		{"\"at_ns\": 100\n\"elapsed_ns\": 7", "\"at_ns\": 101\n\"elapsed_ns\": 2", 5, true},
		{"\"at_ns\": 100", "\"elapsed_ns\": 100", 0, false},
		{"\"seq\": 100", "\"seq\": 101", 0, false},
		{"x", "x\ny", 0, false},
		{capture(packet(9, "abc")), capture(packet(5, "abc")), 4, true},
		{capture(packet(9, "abc")), capture(packet(9, "abd")), 0, false},
	} {
		if most, ok := drift([]byte(c.a), []byte(c.b)); most != c.most || ok != c.ok {
			t.Errorf("%s and %s: %v, %v; want %v, %v", c.a, c.b, most, ok, c.most, c.ok)
		}
	}
}
