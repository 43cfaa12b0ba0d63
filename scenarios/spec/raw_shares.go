package spec

import "cmp"

// rawTimes is what is expected of a step's times over its repetitions.
type rawTimes struct {
	mark
	ConnectTime   *bound `json:"connect_time" on:"connect,http" doc:"from the call of connect to its return at the client"`
	AcceptTime    *bound `json:"accept_time" on:"connect,http" doc:"from the first SYN leaving the client to the server's socket being ESTABLISHED"`
	TLSTime       *bound `json:"tls_time" on:"http" doc:"from the start of the step to the end of the TLS handshake"`
	FirstByteTime *bound `json:"first_byte_time" on:"http" doc:"from the start of the step to the first byte of the answer"`
	Elapsed       *bound `json:"elapsed" on:"connect,http,exec,exchange,await,close" doc:"how long the action took, up to its outcome"`
}

func (*rawTimes) noun() string { return "times of repetitions" }

// portion is an expected part of all repetitions.
type portion struct{ value[Share] }

func (v *portion) parse(s scalar) (c *complaint) {
	v.V, c = parseShare(s.text)
	return c
}

// parseShare reads a percentage or a bound of one.
func parseShare(text string) (Share, *complaint) {
	const valid = "a share such as 100%, or a bound: >= 95%, < 5%, 40%..60%"
	b, low, high := splitBound(text)
	s := Share{Bound: b, Text: text}
	var one percent
	if c := one.parse(scalar{text: low}); c != nil {
		return Share{}, c.want(valid).near(cmp.Or(mendSign(text), mendBound(text, low, c.nearest)))
	}
	s.Value = one.V
	if b != Within {
		return s, nil
	}
	if c := one.parse(scalar{text: high}); c != nil {
		return Share{}, c.want(valid).near(mendBound(text, high, c.nearest))
	}
	if s.Upper = one.V; s.Upper < s.Value {
		return Share{}, bad("%s ends before it begins", quote(text)).want(valid).near(high + ".." + low)
	}
	return s, nil
}

// rawRepeat is what steps that can be performed several times have in common.
type rawRepeat struct {
	Repeat *repetitions `json:"repeat" doc:"performs the step so many times, one after the other; default 1"`
}
