package spec

import (
	"cmp"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"testbed/topo"
)

// value is a scalar of a file with its place.
type value[T any] struct {
	mark
	V T
}

// The scalars of the language. Their schemas are in schema_values.go.
type (
	title     struct{ value[string] } // a scenario's name, a tag, a rule's name
	prose     struct{ value[string] } // text
	word      struct{ value[string] } // any value, as written
	ref       struct{ value[string] } // a node's name where one is meant
	duration  struct{ value[time.Duration] }
	timespan  struct{ value[time.Duration] } // longer than nothing
	seconds   struct{ value[time.Duration] } // whole seconds
	percent   struct{ value[float64] }
	mtu       struct{ value[int] }
	natural   struct{ value[int] } // 1 or more
	port      struct{ value[uint16] }
	ports     struct{ value[topo.PortRange] }
	seed      struct{ value[uint64] }
	truth     struct{ value[bool] }
	prefix    struct{ value[netip.Prefix] } // an address with its prefix length
	flags     struct{ value[topo.TCPFlags] }
	rate      struct{ value[topo.Rate] }
	mss       struct{ value[uint16] }
	shift     struct{ value[uint8] }
	setting   struct{ value[string] } // a sysctl's value
	bound     struct{ value[Duration] }
	instant   struct{ value[Term] }
	count     struct{ value[Count] }
	output    struct{ value[Text] }
	forwardTo struct{ value[Target] } // node or node:port
	kernels   struct{ value[Kernels] }
)

func (v *title) parse(s scalar) *complaint {
	const valid = "1 to 64 letters, digits and . _ - that begin with a letter or a digit"
	if s.kind != textKind {
		return bad("must be text, not %s %s", s.kind, quote(s.text)).want("\"" + s.text + "\" in quotes")
	}
	if !isTitle(s.text) {
		return bad("%s is no name", quote(s.text)).want(valid)
	}
	v.V = s.text
	return nil
}

func isTitle(s string) bool {
	if s == "" || len(s) > 64 || strings.IndexByte("._-", s[0]) >= 0 {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune("._-", r) }) < 0
}

func isAlphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

func (v *prose) parse(s scalar) *complaint {
	if s.kind != textKind {
		return bad("must be text, not %s %s", s.kind, quote(s.text)).want("\"" + s.text + "\" in quotes")
	}
	v.V = s.text
	return nil
}

func (v *word) parse(s scalar) *complaint {
	if strings.ContainsRune(s.text, 0) {
		return bad("%s has a NUL character in it", quote(s.text)).want("text without NUL")
	}
	v.V = s.text
	return nil
}

func (v *ref) parse(s scalar) *complaint {
	if s.kind != textKind || s.text == "" {
		return bad("must be a node's name, not %s", quote(s.text)).want("the name of one of nodes")
	}
	v.V = s.text
	return nil
}

func (v *duration) parse(s scalar) (c *complaint) {
	v.V, c = parseDuration(s.text)
	return c
}

func (v *timespan) parse(s scalar) (c *complaint) {
	if v.V, c = parseDuration(s.text); c != nil && c.nearest == s.text+"ms" {
		return c.near(s.text + "s")
	}
	if c == nil && v.V == 0 {
		return bad("%s lasts no time", quote(s.text)).want("more than 0s")
	}
	return c
}

func (v *seconds) parse(s scalar) (c *complaint) {
	v.V, c = parseDuration(s.text)
	switch {
	case c != nil && c.nearest == s.text+"ms":
		return c.near(s.text + "s")
	case c == nil && (v.V == 0 || v.V%time.Second != 0):
		return bad("%s is not a number of whole seconds", quote(s.text)).want("1s or more, whole seconds: the kernel counts no others")
	}
	return c
}

func (v *percent) parse(s scalar) *complaint {
	const valid = "0% to 100%, such as 1% or 0.5%"
	n, unit, c := number(s.text)
	switch {
	case c != nil:
		return c.want(valid)
	case unit == "":
		return bad("%s has no unit", quote(s.text)).want(valid).near(s.text + "%")
	case unit != "%":
		return bad("%s is no percentage", quote(s.text)).want(valid)
	case n > 100:
		return bad("%s is more than 100%%", quote(s.text)).want(valid)
	}
	v.V = n / 100
	return nil
}

func (v *mtu) parse(s scalar) (c *complaint) {
	v.V, c = between(s, 68, 65535, "a number of bytes from 68 to 65535, such as 1500; IPv6 needs 1280")
	return c
}

// maxNatural bounds counts.
const maxNatural = 1 << 20

func (v *natural) parse(s scalar) (c *complaint) {
	v.V, c = between(s, 1, maxNatural, "a number from 1")
	return c
}

func (v *port) parse(s scalar) *complaint {
	n, c := between(s, 1, 65535, "a port, 1 to 65535")
	v.V = uint16(n)
	return c
}

// between reads a whole number without quotes.
func between(s scalar, low, high int, valid string) (int, *complaint) {
	n, ok := whole(s.text)
	switch {
	case ok && s.kind == textKind:
		return 0, bad("%s is text because of its quotes", quote(s.text)).want(s.text + " without quotes")
	case !ok || s.kind != intKind:
		return 0, bad("%s is not a whole number", quote(s.text)).want(valid)
	case n < low || n > high:
		return 0, bad("%d is out of range", n).want(valid)
	}
	return n, nil
}

func (v *ports) parse(s scalar) *complaint {
	const valid = "a port such as 80, or a range such as 8000-8099"
	low, high, ranged := strings.Cut(s.text, "-")
	if !ranged {
		high = low
	}
	first, ok1 := whole(low)
	last, ok2 := whole(high)
	if !ok1 || !ok2 || first < 1 || last > 65535 {
		return bad("%s is no port and no range of ports", quote(s.text)).want(valid)
	}
	if first > last {
		return bad("%s ends before it begins", quote(s.text)).want(valid).near(high + "-" + low)
	}
	v.V = topo.PortRange{First: uint16(first), Last: uint16(last)}
	return nil
}

func (v *seed) parse(s scalar) *complaint {
	n, err := strconv.ParseUint(s.text, 10, 64)
	if s.kind != intKind || err != nil {
		return bad("%s is no seed", quote(s.text)).want("a whole number from 0 to 18446744073709551615, without quotes")
	}
	v.V = n
	return nil
}

func (v *truth) parse(s scalar) *complaint {
	if s.kind != boolKind {
		return bad("%s is neither true nor false", quote(s.text)).want("true, false").near(nearest(s.text, []string{"true", "false"}))
	}
	v.V = strings.EqualFold(s.text, "true")
	return nil
}

func (v *flags) parse(s scalar) *complaint {
	f, c := parseFlags(s.text)
	v.V = f
	return c
}

var flagNames = map[string]topo.TCPFlags{"SYN": topo.SYN, "ACK": topo.ACK, "FIN": topo.FIN, "RST": topo.RST}

// flagSets are the spellings that a wrong one may be near.
var flagSets = []string{"SYN", "SYN-ACK", "ACK", "RST", "RST-ACK", "FIN", "FIN-ACK"}

// parseFlags reads a set of TCP flags joined by hyphens, in any order.
func parseFlags(s string) (f topo.TCPFlags, c *complaint) {
	for part := range strings.SplitSeq(s, "-") {
		flag, ok := flagNames[part]
		if !ok || f&flag != 0 {
			c := bad("%s is no set of TCP flags", quote(s))
			return 0, c.want("SYN, ACK, FIN and RST joined by hyphens, such as SYN-ACK").near(nearest(s, flagSets))
		}
		f |= flag
	}
	return f, nil
}

func (v *rate) parse(s scalar) *complaint {
	const valid = "a number of packets in a unit of time: 10/second, or /minute, /hour, /day; with how many may come at once: 10/second burst 20"
	text, burst, bursts := strings.Cut(s.text, " burst ")
	digits, per, _ := strings.Cut(text, "/")
	n, ok := whole(digits)
	units := []string{"second", "minute", "hour", "day"}
	if !ok || n < 1 {
		return bad("%s is no rate of packets", quote(s.text)).want(valid)
	}
	for _, u := range units {
		if per == u {
			v.V = topo.Rate{Packets: uint64(n), Per: u}
			return v.parseBurst(burst, bursts)
		}
	}
	c := bad("%s is no rate of packets", quote(s.text)).want(valid)
	meant := map[string]string{"s": "second", "sec": "second", "m": "minute", "min": "minute", "h": "hour", "d": "day"}[per]
	if u := cmp.Or(meant, nearest(strings.TrimSuffix(per, "s"), units)); u != "" {
		c.near(digits + "/" + u)
	}
	return c
}

// parseBurst reads how many packets may come at once, where that is there.
func (v *rate) parseBurst(text string, there bool) *complaint {
	n, ok := whole(text)
	if there && (!ok || n < 1 || n > maxNatural) {
		return bad("%s is no number of packets that may come at once", quote(text)).want("a whole number from 1, such as 10/second burst 20")
	}
	v.V.Burst = uint32(n)
	return nil
}

func (v *mss) parse(s scalar) *complaint {
	n, c := between(s, 88, 65495, "a number of bytes from 88 to 65495, such as 1340")
	v.V = uint16(n)
	return c
}

func (v *shift) parse(s scalar) *complaint {
	n, c := between(s, 0, 14, "a number of bits from 0 to 14 (RFC 7323, section 2.3)")
	v.V = uint8(n)
	return c
}

func (v *setting) parse(s scalar) *complaint {
	if s.kind != intKind && s.kind != textKind {
		return bad("%s is neither a whole number nor text", quote(s.text)).want("a number such as 2, or text; text that looks otherwise in quotes")
	}
	if s.text == "" || len(s.text) > 1024 || strings.ContainsAny(s.text, "\n\x00") {
		return bad("must be one line of text or a number").want("a number such as 2, or text such as \"4096 87380 6291456\"")
	}
	v.V = s.text
	return nil
}

func (v *bound) parse(s scalar) (c *complaint) {
	v.V, c = parseBound(s.text)
	return c
}

func (v *instant) parse(s scalar) (c *complaint) {
	v.V, c = parseTerm(s.text)
	return c
}

func (v *count) parse(s scalar) (c *complaint) {
	if v.V, c = parseCount(s.text); c == nil && s.kind == textKind && v.V.Bound == About {
		return bad("%s is text because of its quotes", quote(s.text)).want(s.text + " without quotes")
	}
	return c
}

func (v *output) parse(s scalar) *complaint {
	v.V = Text{Source: s.text}
	pattern, ok := strings.CutPrefix(s.text, "/")
	if !ok || !strings.HasSuffix(pattern, "/") {
		v.V.Equal = strings.TrimSpace(s.text)
		return nil
	}
	re, err := regexp.Compile(strings.TrimSuffix(pattern, "/"))
	if err != nil {
		return bad("%s is no regular expression: %s", quote(s.text), err).want("Go's syntax (RE2) between slashes, such as /64 bytes/")
	}
	v.V.Match = re
	return nil
}

func (v *forwardTo) parse(s scalar) *complaint {
	node, digits, ported := strings.Cut(s.text, ":")
	v.V = Target{Host: node}
	if !ported {
		return nil
	}
	n, ok := whole(digits)
	if !ok || n < 1 || n > 65535 {
		return bad("%s is no port", quote(digits)).want("an inside node and a port, such as server:80")
	}
	v.V.Port = uint16(n)
	return nil
}

func (v *kernels) parse(s scalar) (c *complaint) {
	if v.V, c = parseKernels(s.text); c == nil && s.kind != textKind {
		return bad("%s is a number without quotes", quote(s.text)).want("\"" + s.text + "\" in quotes")
	}
	return c
}
