package report

import (
	"fmt"
	"net/http"
	"time"

	"testbed/agents"
)

// request tells how an HTTP request went, layer by layer.
func (e *evidence) request() string {
	switch {
	case e.Status != 0:
		return paragraph(e.responded(), e.resumed(), e.lostBefore(), e.resent(), e.statusMeans())
	case e.ConnectTime == nil || e.Attempt != agents.Connected && e.Attempt != "":
		return e.attempt()
	case e.overTLS() && e.TLSTime == nil:
		return e.tlsFailed()
	}
	return e.noResponse()
}

func (e *evidence) overTLS() bool { return e.step != nil && e.step.HTTP != nil && e.step.HTTP.TLS }

func (e *evidence) responded() string {
	status := fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
	if http.StatusText(e.Status) == "" {
		status = fmt.Sprint(e.Status)
	}
	text := fmt.Sprintf("%s answered with %s.", e.target, status)
	if e.Outcome != agents.Connected && e.Outcome != "" {
		text = fmt.Sprintf("%s answered with %s, but the answer broke off after %s%s.", e.target, status, short(e.Elapsed), e.detail())
	}
	var stages []string
	for _, s := range []struct {
		what string
		at   *time.Duration
	}{{"TCP connected after %s", e.ConnectTime}, {"TLS was ready after %s", e.TLSTime}, {"the first byte of the answer came after %s", e.FirstByteTime}} {
		if s.at != nil {
			stages = append(stages, fmt.Sprintf(s.what, short(*s.at)))
		}
	}
	if len(stages) == 0 {
		return text
	}
	return text + " " + capital(list(stages)) + e.inRTTs() + "."
}

// resumed tells of a TLS handshake without certificates, or of one that was to be.
func (e *evidence) resumed() string {
	switch {
	case e.Resumed && e.TLSVersion == "1.2":
		return "TLS 1.2 resumed a session, which takes one round trip; a full handshake takes two (RFC 5246, section 7.3)."
	case e.Resumed:
		return fmt.Sprintf("TLS %s resumed a session with a pre-shared key: no certificate was sent, and the round trips are those of a full handshake (RFC 8446, section 2.2).", e.TLSVersion)
	case e.TLSVersion != "" && e.step != nil && e.step.HTTP != nil && e.step.HTTP.Resume:
		return fmt.Sprintf("TLS %s did a full handshake: %s had no session of this server to resume, or the server did not take it.", e.TLSVersion, e.client)
	}
	return ""
}

// inRTTs counts the round trips until the first byte, where the path's delay
// is known.
func (e *evidence) inRTTs() string {
	rtt := e.Path.RTT()
	if e.FirstByteTime == nil || rtt < 5*time.Millisecond || len(e.Attempts) > 0 {
		return ""
	}
	n := float64(*e.FirstByteTime) / float64(rtt)
	unit := "RTTs"
	if decimal(n, 1) == "1" {
		unit = "RTT"
	}
	return fmt.Sprintf(", which is %s %s of %s", decimal(n, 1), unit, short(rtt))
}

func (e *evidence) statusMeans() string {
	switch {
	case e.Status >= 500:
		return "The network did its part; the server's program reports an error of its own."
	case e.Status >= 400:
		return "The network did its part; the server's program turned the request down."
	case e.Status >= 300:
		return "That is a redirection, which the step does not follow."
	}
	return ""
}

// tlsFailed is a request that got no further than TCP.
func (e *evidence) tlsFailed() string {
	head := fmt.Sprintf("TCP connected to %s after %s, but the TLS handshake ", e.target, short(*e.ConnectTime))
	switch e.Outcome {
	case agents.TimedOut:
		return paragraph(head+fmt.Sprintf("was not complete when the step's own timeout ended it after %s%s.", short(e.Elapsed), e.detail()), e.streamLoss(),
			`curl exits with 28 if it was given a time limit, and waits otherwise.`)
	case agents.Reset:
		return paragraph(head+fmt.Sprintf("was cut off by a RST after %s%s.", short(e.Elapsed), e.resetBy()),
			"curl exits with 35, a browser shows ERR_CONNECTION_RESET.")
	case agents.Closed:
		return paragraph(head+fmt.Sprintf("ended after %s, as %s closed the connection.", short(e.Elapsed), e.server),
			"curl exits with 35, a browser shows ERR_CONNECTION_CLOSED.")
	}
	return paragraph(head+fmt.Sprintf("failed after %s%s.", short(e.Elapsed), e.detail()),
		"The network did its part. curl exits with 35, or with 60 for a certificate that it does not trust; a browser shows a page about the insecure connection.")
}

// noResponse is a request that got no status.
func (e *evidence) noResponse() string {
	ready := fmt.Sprintf("TCP connected to %s after %s", e.target, short(*e.ConnectTime))
	if e.TLSTime != nil {
		ready += " and TLS was ready after " + short(*e.TLSTime)
	}
	switch e.Outcome {
	case agents.TimedOut:
		return paragraph(fmt.Sprintf("%s, but no complete answer to the request came within %s.", ready, short(e.Elapsed)), e.streamLoss(),
			"A browser would go on loading, and in the end show ERR_TIMED_OUT.")
	case agents.Reset:
		return paragraph(fmt.Sprintf("%s, but a RST cut the request off after %s%s.", ready, short(e.Elapsed), e.resetBy()),
			"curl exits with 56, a browser shows ERR_CONNECTION_RESET.")
	case agents.Closed:
		return paragraph(fmt.Sprintf("%s, but %s closed the connection after %s without an answer.", ready, e.server, short(e.Elapsed)),
			`curl exits with 52, "Empty reply from server"; a browser shows ERR_EMPTY_RESPONSE.`)
	}
	return fmt.Sprintf("%s, but the request failed after %s%s.", ready, short(e.Elapsed), e.detail())
}

// resetBy names who sent the RST.
func (e *evidence) resetBy() string {
	if len(e.resetsBack) == 0 {
		return ""
	}
	switch from := e.places.origin(e.resetsBack[0]); from {
	case "":
		return ""
	case e.Target:
		return " from " + e.server + " itself"
	default:
		return " that " + from + " sent in " + e.server + "'s name"
	}
}

// streamLoss says where data of the connection died.
func (e *evidence) streamLoss() string {
	if d, n, ok := worst(e.sent); ok {
		return fmt.Sprintf("Of %s from %s %d %s.", count(len(e.sent), "segment"), e.client, n, fate{n: n, drop: d}.predicate(""))
	}
	if d, n, ok := worst(e.answers); ok {
		return fmt.Sprintf("Of %s from %s %d %s.", count(len(e.answers), "segment"), e.server, n, fate{n: n, drop: d}.predicate(""))
	}
	return ""
}
