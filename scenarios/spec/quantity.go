package spec

import "cmp"

// Quantity is an expected number of bytes, or of bits a second.
type Quantity struct {
	Bound Bound
	// Value is compared with; Upper is the second one of Within.
	Value, Upper uint64
	// Text is as written.
	Text string
}

// The quantities that can be expected.
type (
	throughput struct{ value[Quantity] } // bits a second
	volume     struct{ value[Quantity] } // bytes
)

const (
	wantThroughput = "a bound with bits a second: \">= 9mbit\", \"< 1gbit\", 9mbit..10mbit"
	wantVolume     = "bytes with their unit (B, KiB or MiB), such as 1MiB; or a bound: \">= 64KiB\", 1MiB..2MiB"
)

func (v *throughput) parse(s scalar) (c *complaint) {
	v.V, c = parseQuantity(s.text, func(text string) (uint64, *complaint) {
		r := bandwidth{}
		if text == unlimited {
			return 0, bad("%s is no number of bits a second", quote(text))
		}
		c := r.parse(scalar{text: text})
		return r.V, c
	})
	switch {
	case c != nil:
		return c.want(wantThroughput)
	case v.V.Bound == About:
		return bad("%s is met by nothing exactly", quote(s.text)).want(wantThroughput).near(">= " + s.text)
	}
	return nil
}

func (v *volume) parse(s scalar) (c *complaint) {
	v.V, c = parseQuantity(s.text, func(text string) (uint64, *complaint) {
		if text == "0B" {
			return 0, nil
		}
		n, c := parseSize(text)
		return uint64(n), c
	})
	if c != nil {
		return c.want(wantVolume)
	}
	return nil
}

// parseQuantity reads a number, or a bound of numbers, that read reads.
func parseQuantity(s string, read func(string) (uint64, *complaint)) (Quantity, *complaint) {
	b, low, high := splitBound(s)
	q := Quantity{Bound: b, Text: s}
	var c *complaint
	if q.Value, c = read(low); c != nil {
		return Quantity{}, c.near(cmp.Or(mendSign(s), mendBound(s, low, c.nearest)))
	}
	if b != Within {
		return q, nil
	}
	if q.Upper, c = read(high); c != nil {
		return Quantity{}, c.near(mendBound(s, high, c.nearest))
	}
	if q.Upper < q.Value {
		return Quantity{}, bad("%s ends before it begins", quote(s)).near(high + ".." + low)
	}
	return q, nil
}
