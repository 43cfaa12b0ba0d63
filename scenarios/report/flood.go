package report

import (
	"fmt"
	"strings"

	"testbed/scenarios/verdict"
)

// flooded tells what a flood came to.
func (e *evidence) flooded() string {
	f := e.Flood
	if f == nil {
		return ""
	}
	from := "from its own address"
	if f.Spoofed {
		from = "from addresses of " + inline(f.From, maxField) + " that are not its own"
	}
	text := fmt.Sprintf("%s sent %s to %s %s in %s", e.client, count(f.Sent, "SYN"), e.target, from, short(e.Elapsed))
	if f.Sent > 0 && e.Elapsed > 0 {
		text += fmt.Sprintf(", %.0f a second", float64(f.Sent)/e.Elapsed.Seconds())
	}
	if f.Failed > 0 {
		text += fmt.Sprintf("; %d more were not taken by its own kernel (%s)", f.Failed, f.Errno)
	}
	return paragraph(text+".", e.floodArrived(), e.cookies(), e.crowded())
}

func (e *evidence) floodArrived() string {
	f := e.Flood
	switch {
	case f.Sent == 0:
		return ""
	case f.Arrived == 0:
		return fmt.Sprintf("None of them reached %s.", e.server)
	}
	what := "all of them"
	if f.Arrived < f.Sent {
		what = fmt.Sprintf("%d of them", f.Arrived)
	}
	answers := "none"
	if f.Answered > 0 {
		answers = fmt.Sprint(f.Answered)
	}
	return fmt.Sprintf("%s received %s and answered %s with a SYN-ACK.", e.server, what, answers)
}

// cookies tells of a listener that keeps no state for what it answers.
func (e *evidence) cookies() string {
	c := e.Flood.Counters
	if c["SyncookiesSent"] == 0 {
		return ""
	}
	text := fmt.Sprintf("Its queue of half-open connections was full, and it sent %d SYN cookies, for which it keeps no state", c["SyncookiesSent"])
	var parts []string
	if n := c["SyncookiesRecv"]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d came back in an ACK and made a connection", n))
	}
	if n := c["SyncookiesFailed"]; n > 0 {
		parts = append(parts, count(int(n), "ACK")+" had none that is valid")
	}
	if len(parts) > 0 {
		text += "; " + strings.Join(parts, ", ")
	}
	return text + "."
}

// crowded tells of requests that found no place.
func (e *evidence) crowded() string {
	c := e.Flood.Counters
	if c["ListenDrops"] <= c["ListenOverflows"] {
		return ""
	}
	return fmt.Sprintf("%s dropped %d SYNs, of whomever, because its queue of half-open connections was full and it sends no cookies.", e.server, c["ListenDrops"]-c["ListenOverflows"])
}

func floodDocument(f *verdict.FloodResult) *FloodDocument {
	if f == nil {
		return nil
	}
	return &FloodDocument{
		From: f.From, Spoofed: f.Spoofed, Background: f.Background, Sent: f.Sent, Failed: f.Failed, Errno: f.Errno,
		Arrived: f.Arrived, Answered: f.Answered, Counters: f.Counters,
	}
}
