package verdict

import "fmt"

// tls adds the checks of what a TLS handshake agreed on.
func (j *judge) tls() {
	missing := func() string { return j.ended("the end of the TLS handshake was not reached") }
	if j.e.TLSVersion != "" {
		c := Check{Key: "tls_version", Expected: j.e.TLSVersion, Observed: j.o.TLSVersion, OK: j.e.TLSVersion == j.o.TLSVersion}
		switch {
		case c.Observed == "":
			c.Observed, c.Note = "none", missing()
		case !c.OK:
			c.Note = fmt.Sprintf("expected TLS %s, observed TLS %s", c.Expected, c.Observed)
		}
		j.add(c)
	}
	if j.e.Resumed != nil {
		c := Check{Key: "resumed", Expected: fmt.Sprint(*j.e.Resumed), Observed: fmt.Sprint(j.o.Resumed)}
		c.OK = j.o.TLSVersion != "" && *j.e.Resumed == j.o.Resumed
		switch {
		case j.o.TLSVersion == "":
			c.Observed, c.Note = "none", missing()
		case !c.OK && j.o.Resumed:
			c.Note = "expected a full handshake, and the server resumed a session"
		case !c.OK:
			c.Note = "expected a resumed session, and the handshake was a full one: the client had no session of this server, or the server did not take it"
		}
		j.add(c)
	}
}
