package spec

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxDuration bounds every duration of a scenario.
const maxDuration = 24 * time.Hour

const (
	durationUnits = "ns, us, µs, ms, s, m or h"
	wantDuration  = "a number with its unit (" + durationUnits + "), such as 100ms; 24h at most"
	wantTerm      = "a duration such as 300ms, or a multiple of the path's delay such as 1 rtt or 3 owd"
	wantBound     = wantTerm + "; or a bound: <= 300ms, >= 1 rtt, 290ms..310ms"
)

var timeUnits = map[string]time.Duration{
	"ns": time.Nanosecond, "us": time.Microsecond, "µs": time.Microsecond, "μs": time.Microsecond,
	"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour,
}

// number splits a decimal number off the front of a text. The rest begins at
// the first character that belongs to no number.
func number(s string) (value float64, rest string, c *complaint) {
	i := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if i < 0 {
		i = len(s)
	}
	digits, rest := s[:i], s[i:]
	switch {
	case strings.HasPrefix(s, "-"):
		return 0, "", bad("%s is negative", quote(s))
	case digits == "" || len(digits) > 32 || strings.Count(digits, ".") > 1 || digits[0] == '.' || digits[len(digits)-1] == '.':
		return 0, "", bad("%s does not begin with a number", quote(s))
	}
	value, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return 0, "", bad("%s does not begin with a number", quote(s))
	}
	return value, rest, nil
}

// parseDuration reads a duration of 0 to maxDuration with its unit.
func parseDuration(s string) (time.Duration, *complaint) {
	value, unit, c := number(s)
	if c != nil {
		return 0, c.want(wantDuration)
	}
	if unit == "" {
		usual := "ms"
		if value == 0 {
			usual = "s"
		}
		return 0, bad("%s has no unit", quote(s)).want(wantDuration).near(s + usual)
	}
	scale, ok := timeUnits[unit]
	if !ok {
		c := bad("%s is no unit of time", quote(strings.TrimSpace(unit))).want(wantDuration)
		return 0, c.near(nearestDuration(s, unit))
	}
	if value*float64(scale) > float64(maxDuration) {
		return 0, bad("%s is too long", quote(s)).want(wantDuration)
	}
	return time.Duration(math.Round(value * float64(scale))), nil
}

// nearestDuration is the duration with the unit that was probably meant.
func nearestDuration(s, unit string) string {
	digits := strings.TrimSuffix(s, unit)
	word := strings.ToLower(strings.TrimSpace(unit))
	meant := map[string]string{
		"msec": "ms", "msecs": "ms", "millis": "ms", "milliseconds": "ms", "millisecond": "ms", "usec": "us", "microseconds": "us",
		"sec": "s", "secs": "s", "second": "s", "seconds": "s", "min": "m", "mins": "m", "minute": "m", "minutes": "m",
		"hour": "h", "hours": "h", "ms": "ms", "s": "s", "m": "m", "h": "h", "us": "us", "ns": "ns",
	}[word]
	if meant == "" {
		return ""
	}
	return digits + meant
}

// parseTerm reads a duration, a multiple of owd or rtt, or a timeout of the
// kernel's.
func parseTerm(s string) (Term, *complaint) {
	if slices.Contains(timeouts, Unit(s)) {
		return Term{Value: 1, Unit: Unit(s), Text: s}, nil
	}
	for _, unit := range []Unit{OWD, RTT} {
		digits, ok := strings.CutSuffix(s, string(unit))
		if !ok {
			continue
		}
		value, rest, c := number(strings.TrimRight(digits, " "))
		switch {
		case c != nil:
			return Term{}, c.want(wantTerm)
		case rest != "":
			return Term{}, bad("%s is no number of %s", quote(digits), unit).want(wantTerm)
		case value > 1000:
			return Term{}, bad("%s is more than 1000 %s", quote(s), unit).want(wantTerm)
		case !strings.HasSuffix(digits, " "):
			return Term{}, bad("%s wants a space before its unit", quote(s)).want(wantTerm).near(digits + " " + string(unit))
		}
		return Term{Value: value, Unit: unit, Text: s}, nil
	}
	d, c := parseDuration(s)
	if c != nil {
		if fixed := nearestTerm(s); fixed != "" {
			c.near(fixed)
		}
		return Term{}, c.want(wantTerm)
	}
	return Term{Value: float64(d), Text: s}, nil
}

// nearestTerm mends the spelling of owd and rtt.
func nearestTerm(s string) string {
	if word := nearest(s, timeouts); word != "" {
		return word
	}
	_, rest, c := number(s)
	word := strings.ToLower(strings.TrimSpace(rest))
	if c != nil || len(word) < 2 {
		return ""
	}
	if unit := nearest(strings.TrimSuffix(word, "s"), []Unit{OWD, RTT}); unit != "" {
		return strings.TrimSuffix(s, rest) + " " + unit
	}
	return ""
}

// splitBound splits a bound's sign, or its two ends, off a text.
func splitBound(s string) (b Bound, low, high string) {
	for _, b := range []Bound{AtMost, AtLeast, Below, Above} {
		if rest, ok := strings.CutPrefix(s, string(b)); ok {
			return b, strings.TrimLeft(rest, " "), ""
		}
	}
	if low, high, ok := strings.Cut(s, ".."); ok {
		return Within, strings.TrimRight(low, " "), strings.TrimLeft(high, " ")
	}
	return About, s, ""
}

// mendSign turns the signs of a bound that are the wrong way round.
func mendSign(s string) string {
	for wrong, right := range map[string]Bound{"=>": AtLeast, "=<": AtMost} {
		if rest, ok := strings.CutPrefix(s, wrong); ok {
			return string(right) + rest
		}
	}
	return ""
}

// mendBound is a bound with another number in place of one of its two, or "".
func mendBound(s, of, nearest string) string {
	switch {
	case nearest == "":
		return ""
	case strings.HasSuffix(s, of):
		return strings.TrimSuffix(s, of) + nearest
	}
	return nearest + strings.TrimPrefix(s, of)
}

// parseBound reads an expected duration.
func parseBound(s string) (Duration, *complaint) {
	b, low, high := splitBound(s)
	d := Duration{Bound: b, Text: s}
	var c *complaint
	if d.Term, c = parseTerm(low); c != nil {
		c.near(cmp.Or(mendSign(s), mendBound(s, low, c.nearest)))
		return Duration{}, c.want(wantBound)
	}
	if b != Within {
		return d, nil
	}
	if d.Upper, c = parseTerm(high); c != nil {
		c.near(mendBound(s, high, c.nearest))
		return Duration{}, c.want(wantBound)
	}
	if d.Upper.Unit == d.Term.Unit && d.Upper.Value < d.Term.Value {
		return Duration{}, bad("%s ends before it begins", quote(s)).want(wantBound).near(high + ".." + low)
	}
	return d, nil
}

// parseCount reads an expected number.
func parseCount(s string) (Count, *complaint) {
	const valid = "a number, or a bound: >= 2, <= 5, 2..4"
	b, low, high := splitBound(s)
	n := Count{Bound: b, Text: s}
	var ok bool
	if n.Value, ok = whole(low); !ok {
		return Count{}, noCount(s, low).want(valid).near(mendSign(s))
	}
	if b != Within {
		return n, nil
	}
	if n.Upper, ok = whole(high); !ok {
		return Count{}, noCount(s, high).want(valid)
	}
	if n.Upper < n.Value {
		return Count{}, bad("%s ends before it begins", quote(s)).want(valid).near(high + ".." + low)
	}
	return n, nil
}

// noCount is what is wrong with a count one of whose numbers is not whole.
func noCount(s, part string) *complaint {
	if strings.TrimLeft(part, "0123456789") == "" && len(part) > 9 {
		return bad("%s is more than 999999999", quote(s))
	}
	return bad("%s is no count", quote(s))
}

// whole reads a decimal number of at most nine digits.
func whole(s string) (int, bool) {
	if s == "" || len(s) > 9 || strings.Trim(s, "0123456789") != "" || (len(s) > 1 && s[0] == '0') {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}
