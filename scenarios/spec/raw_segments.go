package spec

import (
	"reflect"

	"testbed/observe"

	"github.com/goccy/go-yaml/ast"
)

// rawSegment is an expected segment, or the word for any number of others.
type rawSegment struct {
	mark
	any     bool
	Flags   *handshake  `json:"flags" doc:"exactly those of SYN, ACK, FIN and RST that are set; RST and FIN also stand for RST-ACK and FIN-ACK"`
	From    *place      `json:"from" doc:"who sent it: a node, or a link with a fault that resets, as [a, b]"`
	Seq     *count      `json:"seq" doc:"its sequence number, relative to its sender's initial one"`
	Ack     *count      `json:"ack" doc:"its acknowledgement number, relative to the other end's initial sequence number"`
	Saddr   *address    `json:"saddr" doc:"the source address as it was sent"`
	Daddr   *address    `json:"daddr" doc:"the destination address as it was sent"`
	Sport   *ports      `json:"sport" doc:"the source port as it was sent, or a range a-b"`
	Dport   *ports      `json:"dport" doc:"the destination port as it was sent, or a range a-b"`
	Payload *count      `json:"payload" doc:"the bytes of data in it"`
	Window  *count      `json:"window" doc:"the window in its header, not scaled"`
	Options *rawOptions `json:"options" doc:"its TCP options"`
	ECE     *truth      `json:"ece" doc:"whether the flag ECE is set"`
	CWR     *truth      `json:"cwr" doc:"whether the flag CWR is set"`
	ECN     *ecn        `json:"ecn" doc:"the codepoint of its IP header: not-ect, ect0, ect1 or ce"`
}

// anySegments is the word for any number of segments.
const anySegments = "..."

func (*rawSegment) noun() string { return "a segment" }

func (s *rawSegment) read(d *decoder, key string, n ast.Node) bool {
	if _, ok := mapping(n); ok {
		if !d.structure(key, n, reflect.ValueOf(s).Elem()) {
			return false
		}
		if empty := (rawSegment{mark: s.mark}); *s == empty && !s.partial {
			d.add(s.mark, bad("a segment of which nothing is expected").want("flags, from, seq, ack or another of its keys; "+quote(anySegments)+" stands for any number of segments"))
		}
		return true
	}
	s.set(d.place(n))
	if v, c := scalarOf(n); c == nil && v.text == anySegments {
		s.any = true
		return true
	}
	d.add(s.mark, bad("%s: a segment must be a map, not %s", key, kindOf(n)).want("{flags: SYN, from: client, seq: 0}, or "+quote(anySegments)+" for any number of segments"))
	return false
}

// rawOptions are expected TCP options.
type rawOptions struct {
	mark
	MSS        *optional `json:"mss" doc:"the maximum segment size that it announces, or none"`
	WScale     *optional `json:"wscale" doc:"the shift of its window scale option, or none"`
	SACK       *truth    `json:"sack" doc:"whether it permits selective acknowledgements"`
	Timestamps *truth    `json:"timestamps" doc:"whether it has time stamps"`
	FastOpen   *fastOpen `json:"fast_open" doc:"none, request or cookie: what it says of TCP Fast Open"`
}

func (*rawOptions) noun() string { return "options" }

// The words of segments.
type (
	optional struct{ value[Optional] }
	ecn      struct{ value[observe.ECN] }
	fastOpen struct{ value[observe.FastOpen] }
)

// none expects that an option is not there.
const none = "none"

// The codepoints and the contents of a Fast Open option as they are written.
const notECT = "not-ect"

var (
	ecns      = []observe.ECN{notECT, observe.ECT0, observe.ECT1, observe.CE}
	fastOpens = append([]observe.FastOpen{none}, observe.FastOpens...)
)

func (v *optional) parse(s scalar) (c *complaint) {
	v.V = Optional{None: s.text == none}
	if v.V.None {
		v.V.Text = none
		return nil
	}
	var n count
	if c = n.parse(s); c != nil {
		return c.want("a number such as 1460, a bound such as \"<= 1460\", or " + none).near(nearest(s.text, []string{none}))
	}
	v.V.Count = n.V
	return nil
}

func (v *ecn) parse(s scalar) (c *complaint) {
	if v.V, c = pick(s, ecns); v.V == notECT {
		v.V = observe.NotECT
	}
	return c
}

func (v *fastOpen) parse(s scalar) (c *complaint) {
	if v.V, c = pick(s, fastOpens); v.V == none {
		v.V = ""
	}
	return c
}
