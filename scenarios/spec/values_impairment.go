package spec

import (
	"strconv"
	"strings"

	"testbed/netem"
)

// The scalars of impairments.
type (
	distribution struct{ value[netem.Distribution] }
	bandwidth    struct{ value[uint64] }      // bits in a second, 0 for no limit
	byteCount    struct{ value[int] }         // bytes
	queueLength  struct{ value[netem.Queue] } // packets or bytes, neither for no bound
)

// unlimited lifts a rate or a queue.
const unlimited = "unlimited"

var distributions = []netem.Distribution{netem.Uniform, netem.Normal, netem.Pareto, netem.ParetoNormal}

func (v *distribution) parse(s scalar) (c *complaint) { v.V, c = pick(s, distributions); return c }

// bitUnits are the units of rates as tc(8) has them, but for those that count
// bytes: 1mbps is 8 Mbit/s to tc, and 1 Mbit/s to most people.
var bitUnits = map[string]float64{
	"bit": 1, "kbit": 1e3, "mbit": 1e6, "gbit": 1e9, "tbit": 1e12,
	"kibit": 1 << 10, "mibit": 1 << 20, "gibit": 1 << 30, "tibit": 1 << 40,
}

// The limits of rates, in bits a second. The kernel counts in bytes.
const (
	minRate = 8
	maxRate = 1e12
)

const wantRate = "a number of bits a second with its unit (bit, kbit, mbit, gbit, tbit, kibit, mibit, gibit or tibit), such as 10mbit; unlimited lifts a limit"

func (v *bandwidth) parse(s scalar) *complaint {
	v.V = 0
	if s.text == unlimited {
		return nil
	}
	n, unit, c := number(s.text)
	scale, ok := bitUnits[unit]
	switch {
	case c != nil:
		return c.want(wantRate).near(nearest(s.text, []string{unlimited}))
	case unit == "":
		return bad("%s has no unit", quote(s.text)).want(wantRate).near(s.text + "mbit")
	case strings.HasSuffix(unit, "bps"):
		return bad("%s is ambiguous: tc takes it for bytes, most people for bits", quote(unit)).want(wantRate)
	case !ok:
		return noUnit(unit, "a rate").want(wantRate).near(nearestRate(s.text, unit))
	case n*scale < minRate:
		return bad("%s is less than a byte a second", quote(s.text)).want("8bit or more; a direction that carries nothing is up: false under toward")
	case n*scale > maxRate:
		return bad("%s is more than 1tbit", quote(s.text)).want(wantRate)
	}
	v.V = uint64(n*scale + 0.5)
	return nil
}

// noUnit is the complaint about what follows a number.
func noUnit(unit, of string) *complaint {
	if strings.HasPrefix(unit, " ") {
		return bad("a space between a number and its unit %s", quote(strings.TrimSpace(unit)))
	}
	return bad("%s is no unit of %s", quote(unit), of)
}

// nearestRate is the rate with the unit that was probably meant: kb, Mbit/s,
// gigabit. MB/s are bytes.
func nearestRate(s, unit string) string {
	written := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSpace(unit), "/s"), "/sec")
	word := strings.TrimSuffix(strings.ToLower(written), "s")
	meant := map[string]string{
		"b": "bit", "k": "kbit", "kb": "kbit", "kilobit": "kbit", "m": "mbit", "mb": "mbit", "megabit": "mbit", "g": "gbit", "gb": "gbit", "gigabit": "gbit", "t": "tbit", "tb": "tbit",
	}[word]
	if meant == "" {
		meant = nearest(word, sortedKeys(bitUnits))
	}
	if meant == "" {
		return ""
	}
	digits := strings.TrimSuffix(s, unit)
	if n, err := strconv.ParseFloat(digits, 64); err == nil && strings.HasSuffix(written, "B") {
		digits = strconv.FormatFloat(8*n, 'f', -1, 64)
	}
	return digits + meant
}

// maxSize bounds a queue, in bytes.
const maxSize = 1 << 30

const (
	wantSize  = "a number of bytes with its unit (B, KiB or MiB), such as 64KiB; 1024MiB at most"
	wantQueue = "packets or bytes with their unit (packets, B, KiB or MiB), such as 100packets or 64KiB; {packets: 100, bytes: 64KiB} for both; unlimited lifts a bound"
)

var byteUnits = map[string]float64{"B": 1, "KiB": 1 << 10, "MiB": 1 << 20}

func (v *byteCount) parse(s scalar) (c *complaint) {
	if v.V, c = parseSize(s.text); c != nil {
		return c.want(wantSize)
	}
	return nil
}

func parseSize(s string) (int, *complaint) {
	n, unit, c := number(s)
	if c != nil {
		return 0, c
	}
	scale, ok := byteUnits[unit]
	bytes := n * scale
	switch {
	case unit == "":
		usual := "KiB"
		if n >= 1<<10 {
			usual = "B"
		}
		return 0, bad("%s has no unit", quote(s)).near(s + usual)
	case !ok:
		return 0, noUnit(unit, "bytes").near(nearestSize(s, unit))
	case bytes < 1:
		return 0, bad("%s is less than 1B", quote(s))
	case bytes > maxSize:
		return 0, bad("%s is more than 1024MiB", quote(s))
	case bytes != float64(int(bytes)):
		return 0, bad("%s is no whole number of bytes", quote(s))
	}
	return int(bytes), nil
}

// nearestSize is the size with the unit that was probably meant.
func nearestSize(s, unit string) string {
	word := strings.TrimSuffix(strings.ToLower(strings.TrimSpace(unit)), "s")
	meant := map[string]string{
		"b": "B", "byte": "B", "k": "KiB", "kb": "KiB", "kib": "KiB", "kbyte": "KiB", "m": "MiB", "mb": "MiB", "mib": "MiB", "mbyte": "MiB",
	}[word]
	if meant == "" {
		return ""
	}
	return strings.TrimSuffix(s, unit) + meant
}

func (v *queueLength) parse(s scalar) (c *complaint) {
	v.V = netem.Queue{}
	digits, unit := splitUnit(s.text)
	word := strings.TrimSpace(unit)
	switch {
	case s.text == unlimited:
		return nil
	case digits != "" && unit == "":
		return bad("%s has no unit", quote(s.text)).want(wantQueue).near(s.text + "packets")
	case unit == "packets" || unit == "packet":
		n, ok := whole(digits)
		if !ok || n < 1 || n > maxNatural {
			return bad("%s is no number of packets from 1", quote(s.text)).want(wantQueue)
		}
		v.V.Frames = n
		return nil
	}
	if v.V.Bytes, c = parseSize(s.text); c == nil {
		return nil
	}
	switch {
	case digits != "" && nearest(word, []string{"packets", "frames", "pkts"}) != "":
		c = noUnit(unit, "a queue").near(digits + "packets")
	case digits == "":
		c.near(nearest(s.text, []string{unlimited}))
	}
	return c.want(wantQueue)
}

// splitUnit parts a text after its leading digits and dots.
func splitUnit(s string) (digits, unit string) {
	unit = strings.TrimLeft(s, "0123456789.")
	return strings.TrimSuffix(s, unit), unit
}
